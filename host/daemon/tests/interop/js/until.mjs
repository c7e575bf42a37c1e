// Waiting for what a node does by itself.

import { setTimeout as pause } from 'node:timers/promises';

const PATIENCE_MS = 30_000;
const ASK_EVERY_MS = 250;

// Asks until there is an answer.
export async function until(ask) {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error('it did not come about');
    await pause(ASK_EVERY_MS);
  }
}
