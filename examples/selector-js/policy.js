// selector-js: sends on the first sound path that has room, and holds the packet where none has.
//
// A policy is a pure function: all it may use is in the question, and equal questions get
// equal verdicts. Change `choose`; README.md says how to build and prove it.
//
// Names are those of policy.wit in camelCase; u64 is a BigInt, list<u32> a Uint32Array.

// Codes that say why, as logs show them.
const FIRST = 1n, NO_ROOM = 2n;

// Positions of the fields of a row, and bits of its flags; all of them stand in policy.wit.
const FLAGS = 2, ROOM_BYTES = 11;
const UNKNOWN = 0xffffffff;
const UP = 1, SUSPECT = 2, DRAINING = 4, MASKED = 128;

// Modes of a verdict.
const SEND = 1n, HOLD = 4n;

// For how many packets and milliseconds a verdict holds: fewer questions, older answers.
const LEASE_PACKETS = 8n, LEASE_MS = 5n;

let holdMs = 10n;

export const lifecycle = {
  describe() {
    return {
      name: 'selector-js',
      version: '0.1.0',
      stateSchema: 0,
      readsSchemas: new Uint32Array(0),
      maxStateBytes: 0,
      settingsSchema: 'hold_ms: integer 1..=400 = 10  wait where no path has room\n',
    };
  },

  configure(settings) {
    holdMs = 10n;
    for (const { key, val } of settings) {
      if (key !== 'hold_ms' || val.tag !== 'integer' || val.val < 1n || val.val > 400n)
        throw { tag: 'bad-setting', val: { key, why: 'known is hold_ms, from 1 to 400' } };
      holdMs = val.val;
    }
  },
};

// It learns nothing: what was learned so far goes back as it came.
export const learner = {
  learn(before) {
    return before;
  },
};

// The rows of a list that begins with its stride; a set has 16 positions.
function rows(list) {
  const stride = list.length > 0 ? list[0] : 0;
  const found = [];
  for (let row = 1; stride > 0 && row + stride <= list.length && found.length < 16; row += stride)
    found.push(list.subarray(row, row + stride));
  return found;
}

// A field that an older host has not yet is not known.
const get = (path, field) => path[field] ?? UNKNOWN;
const isSound = (flags) => (flags & (UP | SUSPECT | DRAINING | MASKED)) === UP;

export const selector = {
  choose(nowUs, seed, peer, messageClass, flags, headBytes, headAgeUs, deadlineLeftUs,
         backlogBytes, backlogAboveBytes, duplicateBudgetBytes, triedPaths, standing,
         batteryPermille, paths) {
    const at = rows(paths).findIndex(
      (path) => isSound(get(path, FLAGS)) && get(path, ROOM_BYTES) >= headBytes);
    if (at < 0) return HOLD | holdMs * 10n << 20n | NO_ROOM << 48n;
    return SEND | 1n << BigInt(at) << 4n | LEASE_PACKETS << 32n | LEASE_MS << 40n | FIRST << 48n;
  },
};
