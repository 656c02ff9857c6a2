import { expect, test } from 'vitest';
import { createAudiences } from '../../../src/gateway/live/audiences.ts';
import type { PostStream } from '../../../src/gateway/live/audiences.ts';
import { LiveStream } from '../../../src/gateway/live/live-stream.ts';
import { userIdNumber } from './world.ts';

const [ann, ben, cat, nobody] = [1, 2, 3, 4].map((number) => userIdNumber(number));

test('an author whom nobody looks at any more leaves nothing behind', () => {
  const audiences = createAudiences();
  const stream: PostStream = new LiveStream({ onEnd: () => undefined });
  const home = { kind: 'home', viewerId: ann! } as const;
  audiences.join(home, stream, { logId: 'log' as never, commit: 0, index: 0 }, [ann!, ben!]);
  audiences.relate('followed', ann!, cat!);
  expect([ann, ben, cat].map((author) => audiences.of(author!).size)).toEqual([1, 1, 1]);
  audiences.relate('unfollowed', ann!, ben!);
  // As of somebody whom nobody ever looked at: not even an empty set of their own.
  expect(audiences.of(ben!)).toBe(audiences.of(nobody!));
  audiences.leave(home, stream);
  for (const author of [ann, cat]) expect(audiences.of(author!)).toBe(audiences.of(nobody!));
});
