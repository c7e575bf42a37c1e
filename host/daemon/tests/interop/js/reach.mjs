// Whether the node can be reached: identify and ping.

import { patience } from './host.mjs';

const PINGS = 3;

export async function reach({ check, connection, host, transport }) {
  await check(`${transport} identify`, async () => {
    const told = await host.services.identify.identify(connection, { signal: patience() });
    if (told.protocolVersion !== '/pointsman/1' || !told.agentVersion.startsWith('pointsman/')) {
      throw new Error(`${told.protocolVersion} ${told.agentVersion}`);
    }
    return { agent: told.agentVersion, protocols: told.protocols };
  });
  await check(`${transport} ping`, async () => {
    const took = [];
    for (let number = 0; number < PINGS; number += 1) {
      took.push(await host.services.ping.ping(connection.remotePeer, { signal: patience() }));
    }
    return { took_ms: took };
  });
}
