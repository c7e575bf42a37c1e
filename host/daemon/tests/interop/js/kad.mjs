// Questions to the DHT of a network, one stream each.

import { lpStream } from 'it-length-prefixed-stream';

import { patience } from './host.mjs';
import { FIND_NODE, GET_VALUE, Message, PUT_VALUE } from './proto.mjs';

export function protocol(network) {
  const plain = [...Buffer.from(network)].map((byte) => {
    const letter = String.fromCharCode(byte);
    return /[A-Za-z0-9._-]/.test(letter) ? letter : `~${byte.toString(16).padStart(2, '0')}`;
  });
  return `/pointsman/${plain.join('')}/kad/1`;
}

export async function ask(connection, network, question) {
  const signal = patience();
  const stream = await connection.newStream(protocol(network), { signal });
  try {
    const framed = lpStream(stream, { maxDataLength: 64 << 10 });
    await framed.write(Message.encode(question).finish(), { signal });
    const answer = Message.decode((await framed.read({ signal })).subarray());
    if (answer.type !== question.type) {
      throw new Error(`asked with ${question.type}, answered with ${answer.type}`);
    }
    return answer;
  } finally {
    await stream.close({ signal });
  }
}

export const findNode = (connection, network, key) =>
  ask(connection, network, { type: FIND_NODE, key });

// What the node keeps under the key, if anything.
export async function get(connection, network, key) {
  const { record } = await ask(connection, network, { type: GET_VALUE, key });
  if (record && !Buffer.from(record.key).equals(key)) {
    throw new Error('a record with another name than was asked for');
  }
  return record ? Buffer.from(record.value) : undefined;
}

// A node answers with the same record before it looks at it: see get for what became of it.
export async function put(connection, network, key, value) {
  const record = { key, value };
  const answer = await ask(connection, network, { type: PUT_VALUE, key, record });
  if (!answer.record || !Buffer.from(answer.record.value).equals(value)) {
    throw new Error('the answer to PUT_VALUE is not what was put');
  }
}
