//! Runs policies compiled to WebAssembly, within budgets.
