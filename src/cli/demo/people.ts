/** Who lives in the demo: handle, name, and what they like to write about. Nobody is called as the newcomer in the first steps, `ada`. */
export const people: readonly (readonly [handle: string, name: string, topic: Topic])[] = [
  ['ama', 'Ama Obi', 'code'],
  ['bruno', 'Bruno Costa', 'food'],
  ['chiara', 'Chiara Rossi', 'music'],
  ['dmitri', 'Дмитрий Волков', 'space'],
  ['elif', 'Elif Şahin', 'walks'],
  ['farid', 'فريد', 'football'],
  ['grace', 'Grace Mwangi', 'code'],
  ['hiro', '佐藤 ひろ', 'food'],
  ['ines', 'Inês Duarte', 'birds'],
  ['jonas', 'Jonas Berg', 'walks'],
  ['kavya', 'Kavya Rao', 'space'],
  ['leo', 'Leo Martin', 'music'],
  ['mei', '林美', 'books'],
  ['nils', 'Nils Holm', 'birds'],
  ['olga', 'Olga Nowak', 'books'],
  ['pedro', 'Pedro Alves', 'football'],
  ['quinn', 'Quinn Murphy', 'code'],
  ['rosa', 'Rosa Vidal', 'food'],
  ['sven', 'Sven Lund', 'music'],
  ['tala', 'Tala Reyes', 'walks'],
  ['uma', 'Uma Nair', 'space'],
  ['viktor', 'Viktor Kral', 'football'],
  ['wren', 'Wren Hale', 'birds'],
  ['xavi', 'Xavi Puig', 'food'],
  ['yara', 'Yara Haddad', 'books'],
  ['zoe', 'Zoë Klein', 'music'],
  ['amir', 'Amir Karimi', 'code'],
  ['bea', 'Bea Lindqvist', 'walks'],
  ['cleo', 'Cleo Dubois', 'birds'],
  ['dan', 'Dan Okafor', 'space'],
];

export type Topic = 'code' | 'food' | 'music' | 'space' | 'walks' | 'football' | 'birds' | 'books';

/** An opening, something of the topic, and an ending make a post. */
export const openings: readonly string[] = [
  'Just now:',
  'Can’t stop thinking about',
  'Today I learned something about',
  'Unpopular opinion on',
  'Small joy of the day:',
  'Does anyone else love',
  'Three years ago I knew nothing about',
  'Still not over',
];

export const subjects: Readonly<Record<Topic, readonly string[]>> = {
  code: [
    'a bug that was a missing await',
    'event sourcing',
    'deleting more code than I wrote',
    'a test that failed once in a thousand runs',
  ],
  food: ['sourdough at six in the morning', 'my grandmother’s stew', 'mangoes in season 🥭', 'the noodle place around the corner'],
  music: ['that bass line', 'a choir in a stairwell', 'vinyl from the flea market', 'practising scales 🎹'],
  space: ['the rings of Saturn 🪐', 'a meteor over the harbour', 'how quiet the far side must be', 'the next launch window'],
  walks: ['fog over the lake', 'a shortcut that took two hours', 'new boots, old hills', 'the first snow ❄️'],
  football: ['that offside call', 'a goal from midfield ⚽', 'Sunday league in the rain', 'extra time'],
  birds: ['a murmuration over the pier', 'two kingfishers before breakfast', 'a robin that knows my window', 'starlings imitating a phone'],
  books: ['a footnote better than the chapter', 'the smell of second-hand shops', 'an ending I read twice 📚', 'maps on the first page'],
};

export const endings: readonly string[] = [
  '',
  ' What about you?',
  ' More tomorrow.',
  ' 10/10, would do it again.',
  ' #starling',
  ' That is all.',
  ' 🙌',
  ' Discuss.',
];
