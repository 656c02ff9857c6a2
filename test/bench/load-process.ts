import { serveCalls } from './calls.ts';
import { runLoad } from './load.ts';
import type { LoadPlan } from './load.ts';
import { runResumes } from './resume-load.ts';
import type { ResumePlan } from './resume-load.ts';

// The load runs in a process of its own, so that it shares no event loop and no heap with the system it measures.
const handlers = { run: (plan: LoadPlan) => runLoad(plan), resume: (plan: ResumePlan) => runResumes(plan) };
export type LoadCalls = typeof handlers;

serveCalls(handlers);
