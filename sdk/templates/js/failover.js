// {{name}}: moves traffic off a path that stays silent while others progress.
//
// Before that it sends copies elsewhere, which commits to nothing. A policy is a pure function:
// the host does what the verdict says. Change `decide`; README.md says how to build and prove
// it.
//
// Names are those of policy.wit in camelCase; u64 is a BigInt, list<u32> a Uint32Array.

// Codes that say why, as logs show them.
const FINE = 1, LATE = 2, SILENT = 3, GONE = 4, BACK = 5, ALONE = 6;

// Positions of the fields of a row, and bits of its flags; all of them stand in policy.wit.
const FLAGS = 2, SILENT_US = 8;
const UNKNOWN = 0xffffffff;
const UP = 1, SUSPECT = 2, DRAINING = 4, MASKED = 128;

let silentMs = 400;

export const lifecycle = {
  describe() {
    return {
      name: '{{name}}',
      version: '0.1.0',
      stateSchema: 0,
      readsSchemas: new Uint32Array(0),
      maxStateBytes: 0,
      settingsSchema: 'silent_ms: integer 50..=60000 = 400  silence that moves traffic\n',
    };
  },

  configure(settings) {
    silentMs = 400;
    for (const { key, val } of settings) {
      if (key !== 'silent_ms' || val.tag !== 'integer' || val.val < 50n || val.val > 60000n)
        throw { tag: 'bad-setting', val: { key, why: 'known is silent_ms, from 50 to 60000' } };
      silentMs = Number(val.val);
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
const stay = (reason) => ({ tag: 'stay', val: reason });
const move = (onto, resend, reason) => ({ tag: 'move', val: { onto, resend, reason } });

// The path is late. Our own loop may be what was late, so that much is taken off.
function late(q, path, spare) {
  if (spare === 0) return { tag: 'probe', val: { paths: 1 << q.at, reason: ALONE } };
  const silentUs = get(path, SILENT_US) - q.loopLagUs;
  if (q.othersProgressed > 0 && silentUs > silentMs * 1000)
    return move(spare, 'unacked', SILENT);
  if (q.hedgeBudgetBytes === 0) return stay(LATE);
  const hedge = { onto: spare & -spare, budgetBytes: q.hedgeBudgetBytes, reason: LATE };
  return { tag: 'hedge', val: hedge };
}

export const failover = {
  decide(q) {
    const paths = rows(q.paths);
    const path = paths[q.at];
    const flags = path ? get(path, FLAGS) : 0;
    const spare = paths.reduce(
      (set, row, at) => (at !== q.at && isSound(get(row, FLAGS)) ? set | 1 << at : set), 0);
    switch (q.what) {
      case 'lost':
        return spare !== 0 ? move(spare, 'unacked', GONE) : { tag: 'store' };
      case 'suspect':
      case 'tick':
        if (!(flags & UP) || !(flags & SUSPECT) || flags & MASKED) return stay(FINE);
        return late(q, path, spare);
      case 'recovered':
      case 'appeared':
        if (!(flags & UP) || flags & (SUSPECT | DRAINING)) break;
        return move(spare | 1 << q.at, 'none', BACK);
    }
    return { tag: 'abstain' }; // the host's builtin policy answers
  },
};
