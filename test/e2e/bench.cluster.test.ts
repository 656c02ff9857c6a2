import { test } from 'vitest';
import { expectFigures } from '../support/bench-process.ts';

test('the scenario of a cluster runs, small, and gives figures beside its targets', { timeout: 240_000 }, () => expectFigures('cluster'));
