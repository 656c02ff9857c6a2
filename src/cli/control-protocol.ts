// What is spoken over the control socket: one request per connection, a line of JSON; then lines of progress, then one line with the end.
// Closing the connection cancels the job.

export const jobNames = ['status', 'import', 'replay', 'rollback', 'backup'] as const;
export type JobName = (typeof jobNames)[number];

export interface ControlRequest {
  readonly job: JobName;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** How far a job is: `total` 0 while it is not known. */
export interface Progress {
  /** What is being done, as a few words for people; a new one begins a new bar. */
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  /** What is counted, in the plural. */
  readonly unit: string;
}

export type ControlReply =
  | { readonly progress: Progress }
  | { readonly result: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };

/** What a job says when it cannot go on, in words for the operator; whoever runs the command shows them and exits with 1. */
export class JobFailed extends Error {
  readonly code: string;
  override readonly name = 'JobFailed';
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** @throws {JobFailed} saying what is wrong with the line. */
export function parseRequest(line: string): ControlRequest {
  const value = parseObject(line);
  if (value === undefined) throw new JobFailed('BAD_REQUEST', 'a request is one line with a JSON object');
  const job = jobNames.find((name) => name === value['job']);
  if (job === undefined)
    throw new JobFailed('UNKNOWN_JOB', `there is no job ${JSON.stringify(value['job'] ?? null)}: ${jobNames.join(', ')} are`);
  const given = value['arguments'] ?? {};
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new JobFailed('BAD_REQUEST', '"arguments" is a JSON object');
  return { job, arguments: given as Record<string, unknown> };
}

export function parseReply(line: string): ControlReply | undefined {
  const value = parseObject(line);
  return value !== undefined && ('progress' in value || 'result' in value || 'error' in value)
    ? (value as unknown as ControlReply)
    : undefined;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
