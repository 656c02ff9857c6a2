import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** Everything `/metrics` shows; one object per process, handed to whoever counts. */
export type Metrics = ReturnType<typeof createMetrics>;

const latencyBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(options: { process?: boolean } = {}) {
  const registry = new Registry();
  const registers = [registry];
  if (options.process) collectDefaultMetrics({ register: registry });
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Histogram({ name, help, labelNames, registers, buckets: latencyBuckets });
  const looks = new Set<() => Promise<void>>();
  return {
    commands: counter('starling_commands_total', 'Commands answered by actors, by outcome', ['command', 'outcome']),
    appendSeconds: histogram('starling_append_seconds', 'Time from an append to its acknowledgement by the log'),
    commitsRead: counter(
      'starling_log_commits_read_total',
      'Commits read back from the log: by recoveries, and by subscriptions that are behind',
    ),
    mailboxDepth: gauge('starling_mailbox_depth', 'Commands waiting in all mailboxes of this node'),
    activeActors: gauge('starling_active_actors', 'Actors in memory on this node'),
    recoveries: counter('starling_actor_recoveries_total', 'Actors rebuilt from their stream'),
    projectedEvents: counter('starling_projected_events_total', 'Events applied to read models', ['projection']),
    projectionLag: gauge('starling_projection_lag_commits', 'Commits between the log and the read model', ['projection']),
    subscribers: gauge('starling_subscribers', 'Open subscriptions', ['field']),
    pushes: counter('starling_pushes_total', 'Entries pushed to subscribers', ['field']),
    slowSubscribers: counter('starling_slow_subscribers_total', 'Subscriptions closed because the client was too slow'),
    httpSeconds: histogram('starling_http_request_seconds', 'Time to answer an HTTP request', ['route', 'status']),
    graphqlErrors: counter('starling_graphql_errors_total', 'GraphQL errors by code', ['code']),
    logInAttempts: counter('starling_log_in_attempts_total', 'Log-ins by outcome', ['outcome']),
    malformedMessages: counter('starling_malformed_messages_total', 'Messages from the transport that no node of this version sends'),
    /** Calls `look` before each page, to set what is looked up and not counted; the function that comes back ends that. */
    beforePage(look: () => Promise<void>): () => void {
      looks.add(look);
      return () => looks.delete(look);
    },
    /** The page in the Prometheus text format. */
    async text(): Promise<string> {
      await Promise.all([...looks].map((look) => look()));
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}
