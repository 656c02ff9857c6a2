// The version of Starling after this one, for tests of upgrades, made of the built program: node --import next-version.js bin/starling.js …
// It ends follows with an event in a new shape, which says more, and sends commands in a new format.
import { commandFormats } from '../../dist/actors/envelope.js';
import { eventSchemas } from '../../dist/events/event-schemas.js';
import { eventGenerations } from '../../dist/events/generations.js';
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
Object.assign(eventGenerations, { UserUnfollowed: 2 });

const format = commandFormats[1];
Object.assign(commandFormats, {
  2: { write: (envelope) => ({ wish: format.write(envelope) }), read: (body) => format.read(body?.wish) },
});
