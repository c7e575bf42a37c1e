// {{name}}: finds a measure that is far above what it was over the window.
//
// The newest sample is compared with the median of those before it. Change `inspect`;
// README.md says how to build and prove it.
//
// Names are those of policy.wit in camelCase; s64 is a BigInt, list<s64> a BigInt64Array.

// The only rule, and samples before the newest that it takes to know what is usual.
const FAR_ABOVE = 1, USUAL_MIN = 5;

// What may help, by metric; of messages-delivered (9) more is no trouble.
const REMEDIES = [
  'inspect', 'inspect', 'inspect', 'inspect', 'inspect', 'inspect', 'probe', 'probe', 'shed',
  undefined, 'inspect',
];

let times = 3n;

export const lifecycle = {
  describe() {
    return {
      name: '{{name}}',
      version: '0.1.0',
      stateSchema: 0,
      readsSchemas: new Uint32Array(0),
      maxStateBytes: 0,
      settingsSchema: 'times: integer 2..=100 = 3  how many times the usual is too much\n',
    };
  },

  configure(settings) {
    times = 3n;
    for (const { key, val } of settings) {
      if (key !== 'times' || val.tag !== 'integer' || val.val < 2n || val.val > 100n)
        throw { tag: 'bad-setting', val: { key, why: 'known is times, from 2 to 100' } };
      times = val.val;
    }
  },
};

// It learns nothing: what was learned so far goes back as it came.
export const learner = {
  learn(before) {
    return before;
  },
};

function farAbove({ metric, subject, samples }) {
  const remedy = REMEDIES[metric];
  const newest = samples.length > 0 ? samples[samples.length - 1] : -1n;
  const usual = samples.slice(0, -1).filter((sample) => sample >= 0n);
  if (remedy === undefined || newest < 0n || usual.length < USUAL_MIN) return [];
  usual.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const middle = usual[usual.length >> 1];
  const median = middle > 1n ? middle : 1n;
  if (newest / times < median) return [];
  return [{ rule: FAR_ABOVE, severity: 'warn', metric, subject, evidence: newest, remedy }];
}

export const anomaly = {
  inspect(nowMs, window) {
    return window.flatMap(farAbove);
  },
};
