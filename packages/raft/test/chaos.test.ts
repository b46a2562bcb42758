import { describe, expect, it } from 'vitest';
import { Chaos } from './chaos/chaos.ts';
import { CHURN, STORM, UPHEAVAL } from './chaos/climate.ts';

describe('whatever happens to five nodes, nothing is lost, nothing is stale, and when it ends they are alike', () => {
  it.each(Array.from({ length: 24 }, (_, n) => n + 1))('seed %i', (seed) => {
    const applied = new Chaos(seed, 3, 2).run(2500).calm().appliedByMembers();
    expect(applied.length).toBeGreaterThan(0);
    expect(new Set(applied).size).toBe(1);
  });

  it.each(Array.from({ length: 24 }, (_, n) => n + 1))(
    'nor by leaders that come and go, seed %i',
    (seed) => {
      const applied = new Chaos(seed, 3, 0, STORM).run(1500).calm().appliedByMembers();
      expect(applied.length).toBeGreaterThan(0);
      expect(new Set(applied).size).toBe(1);
    },
  );

  it.each(Array.from({ length: 24 }, (_, n) => n + 1))(
    'nor by members that come and go, seed %i',
    (seed) => {
      const applied = new Chaos(seed, 3, 2, CHURN).run(1500).calm().appliedByMembers();
      expect(applied.length).toBeGreaterThan(0);
      expect(new Set(applied).size).toBe(1);
    },
  );

  it.each(Array.from({ length: 24 }, (_, n) => n + 1))(
    'nor by what comes at once, half a write and stops in order, seed %i',
    (seed) => {
      const applied = new Chaos(seed, 3, 1, UPHEAVAL).run(5000).calm().appliedByMembers();
      expect(applied.length).toBeGreaterThan(0);
      expect(new Set(applied).size).toBe(1);
    },
  );

  it('the seeds do elections, reads, changes of members, crashes, stops, turns and snapshots', () => {
    const { counts } = new Chaos(1, 3, 1, UPHEAVAL).run(20_000);
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(2);
  });
});
