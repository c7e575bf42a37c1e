// The messages of kad.proto.

import { readFile } from 'node:fs/promises';

import protobuf from 'protobufjs';

const text = await readFile(new URL('kad.proto', import.meta.url), 'utf8');
const { root } = protobuf.parse(text, { keepCase: true });

export const Message = root.lookupType('Message');
export const PeerRecord = root.lookupType('PeerRecord');
export const { PUT_VALUE, GET_VALUE, FIND_NODE } = root.lookupEnum('Message.Type').values;
