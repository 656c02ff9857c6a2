import type { FeedEvent } from './feed-events.ts';

/** What the feed passed since a hand-over began. */
export interface Hold {
  /** Undefined when it grew too long and was given up: begin again. */
  events(): readonly FeedEvent[] | undefined;
  release(): void;
}

/** One buffer for all hand-overs that are under way: it is as long as the oldest of them needs, and empty when there is none. */
export function createRecentEvents(options: { eventsMax: number }) {
  let events: FeedEvent[] = [];
  // How many events were dropped before `events[0]`: holds remember their place by a number that stays.
  let dropped = 0;
  const starts = new Set<{ readonly at: number }>();

  const trim = (): void => {
    const end = dropped + events.length;
    let needed = end;
    for (const { at } of starts) needed = Math.min(needed, at);
    if (needed === dropped) return;
    events = needed === end ? [] : events.slice(needed - dropped);
    dropped = needed;
  };

  return {
    add(added: readonly FeedEvent[]): void {
      if (starts.size === 0) return;
      for (const event of added) events.push(event);
      if (events.length <= options.eventsMax) return;
      starts.clear();
      trim();
    },
    hold(): Hold {
      const start = { at: dropped + events.length };
      starts.add(start);
      return {
        events: () => (starts.has(start) ? events.slice(start.at - dropped) : undefined),
        release() {
          if (starts.delete(start)) trim();
        },
      };
    },
  };
}

export type RecentEvents = ReturnType<typeof createRecentEvents>;
