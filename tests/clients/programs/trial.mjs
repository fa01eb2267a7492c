// What every Node program here does: try one thing after the other, and say how it went as lines of JSON.

import { readFileSync } from "node:fs";

export const [url, key] = process.argv.slice(2);
export const question = "Name three rivers.";
export const townSchema = {
  type: "object",
  properties: { town: { type: "string", maxLength: 20 } },
  required: ["town"],
  additionalProperties: false,
};

export function check(holds, what) {
  if (!holds) throw new Error(JSON.stringify(what) ?? "it does not hold");
}

export async function run(name, tries) {
  const { version } = JSON.parse(readFileSync(new URL(`./node_modules/${name}/package.json`, import.meta.url)));
  console.log(JSON.stringify({ version }));
  for (const [tried, attempt] of Object.entries(tries)) {
    try {
      await attempt();
      console.log(JSON.stringify({ tried }));
    } catch (problem) {
      process.exitCode = 1;
      console.error(problem);
      console.log(JSON.stringify({ tried, error: String(problem).slice(0, 400) }));
    }
  }
}
