// {{name}}: trusts a peer the more, the more it did well of late.
//
// The standing is the host's; `a` and `b` in it are this policy's, and hold what was good and
// what was bad, halved every half-life. Change `fold`; README.md says how to build and prove
// it.
//
// Names are those of policy.wit in camelCase; u64 is a BigInt.

// Evidence that a new peer is credited with on both sides, so that one event proves little.
const DOUBT = 10;
const EVIDENCE_MAX = 0xffffffff;

let halfLifeMs = 600_000n;

export const lifecycle = {
  describe() {
    return {
      name: '{{name}}',
      version: '0.1.0',
      stateSchema: 0,
      readsSchemas: new Uint32Array(0),
      maxStateBytes: 0,
      settingsSchema: 'half_life_s: integer 1..=86400 = 600  how fast it forgets\n',
    };
  },

  configure(settings) {
    halfLifeMs = 600_000n;
    for (const { key, val } of settings) {
      if (key !== 'half_life_s' || val.tag !== 'integer' || val.val < 1n || val.val > 86400n)
        throw { tag: 'bad-setting', val: { key, why: 'known is half_life_s, from 1 to 86400' } };
      halfLifeMs = val.val * 1000n;
    }
  },
};

// It learns nothing: what was learned so far goes back as it came.
export const learner = {
  learn(before) {
    return before;
  },
};

const GOOD = new Set(['ack', 'served', 'relayed']);
const FORBIDDEN = new Set(['invalid', 'spam']);

export const reputation = {
  fold(nowMs, was, seen) {
    const passed = nowMs > was.updatedMs ? nowMs - was.updatedMs : 0n;
    const halvings = passed / halfLifeMs;
    const halved = (evidence) => (halvings < 32n ? evidence >>> Number(halvings) : 0);
    let [good, bad] = [halved(was.a), halved(was.b)];
    for (const { kind, weight } of seen) {
      if (GOOD.has(kind)) good = Math.min(good + weight, EVIDENCE_MAX);
      else bad = Math.min(bad + weight * (FORBIDDEN.has(kind) ? 10 : 1), EVIDENCE_MAX);
    }
    const score = Math.trunc((good - bad) * 1000 / (good + bad + DOUBT));
    const updatedMs = was.updatedMs + halvings * halfLifeMs;
    return { score, a: good, b: bad, c: was.c, updatedMs };
  },
};
