import { startChild } from '../calls.ts';
import type { Child } from '../calls.ts';
import type { FanOutCalls } from '../fan-out-process.ts';
import { ratioResult } from '../harness.ts';
import type { Result } from '../harness.ts';
import type { Stand } from '../stand.ts';

/** A post of the most followed user to all followers, each subscribed over a socket of their own, against a bare broadcast to as many. */
export async function measureFanOut(stand: Stand): Promise<readonly Result[]> {
  const { subscribers, rounds, fanOutPosts } = stand.sizes;
  const child: Child<FanOutCalls> = startChild(new URL('../fan-out-process.ts', import.meta.url), { onProgress: stand.progress });
  try {
    const measured = await child.call('measure', { subscribers, rounds, posts: fanOutPosts });
    const about = { scenario: 'fan-out', unit: 'deliveries/s', floorIs: 'bare ws broadcast of as many bytes to as many sockets' };
    const count = subscribers.toLocaleString('en-US');
    return [
      ratioResult(
        { ...about, title: `post to ${count} subscribers, same document`, target: { kind: 'at least', value: 0.5 } },
        measured.map(({ floor, same }) => ({ floor, subject: same })),
      ),
      ratioResult(
        { ...about, title: `post to ${count} subscribers, all documents different`, target: { kind: 'at least', value: 0.12 } },
        measured.map(({ floor, different }) => ({ floor, subject: different })),
      ),
    ];
  } finally {
    await child.stop();
  }
}
