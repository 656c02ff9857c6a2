// The version of Starling after this one, for tests of upgrades: node --import next-version.js bin/starling.js … It runs the program out of its modules,
// which can be altered, and never comes to its bundle.
// It ends follows with an event in a new shape, which says more, and sends commands in a new format.
import { commandFormats, newestFormat } from '../../dist/actors/envelope.js';
import { eventSchemas } from '../../dist/events/event-schemas.js';
import { eventGenerations, newestGeneration } from '../../dist/events/generations.js';
import { upcasters } from '../../dist/events/upcasters.js';

const shape = eventSchemas.UserUnfollowed;
const reason = 'by choice';
Object.assign(eventSchemas.UserUnfollowed, {
  ...shape,
  version: shape.version + 1,
  toFields: ({ followeeId }) => [followeeId, reason],
  fits: (fields) => fields.length === 2 && typeof fields[1] === 'string',
});
Object.assign(upcasters, { UserUnfollowed: { [shape.version - 1]: (fields) => [...fields, reason] } });
Object.assign(eventGenerations, { UserUnfollowed: newestGeneration(eventGenerations) + 1 });

const newest = newestFormat(commandFormats);
const format = commandFormats[newest];
Object.assign(commandFormats, {
  [newest + 1]: { ...format, write: (envelopes) => ({ wish: format.write(envelopes) }), read: (body) => format.read(body?.wish) },
});

await import('../../dist/main.js');
