import type { Node } from '../node.ts';
import type { RunJob } from './control-server.ts';

/** What a running node does for the command line; each is loaded when it is first asked for. */
export function createJobs(node: Node): RunJob {
  return async (request, context) => {
    switch (request.job) {
      case 'status':
        return (await import('./jobs/status-job.ts')).statusJob(node, context);
      case 'import':
        return (await import('./jobs/import-job.ts')).importJob(node, request.arguments, context);
      case 'replay':
        return (await import('./jobs/replay-job.ts')).replayJob(node, request.arguments, context);
      case 'rollback':
        return (await import('./jobs/replay-job.ts')).rollbackJob(node, request.arguments, context);
      case 'backup':
        return (await import('./jobs/backup-job.ts')).backupJob(node, request.arguments, context);
    }
  };
}
