// What stage.py tells a test program, and where the packages are.

import { createRequire } from "node:module";
import { join } from "node:path";

export const packages = createRequire(join(process.env.NODE_LIBRARIES, "from-here.js"));

export const url = process.env.GATEWAY_URL;
export const key = process.env.GATEWAY_KEY;
export const servedBy = process.env.SERVED_BY;

export const HELLO = `Hello from ${servedBy}, wörd by wörd.`;
export const HEARD = `${servedBy} heard: 7 degrees`;
export const VECTOR = [0.5, -0.25, 1];
// What the provider refuses as told.
export const FAIL_400 = "please fail with 400";
export const FAIL_429 = "please fail with 429";

export async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}
