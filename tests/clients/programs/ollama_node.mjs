// Ollama's client for Node.

import { Ollama } from "ollama";
import { check, key, question, run, townSchema, url } from "./trial.mjs";

const client = new Ollama({ host: url, headers: { Authorization: `Bearer ${key}` } });
const asked = { model: "starter", messages: [{ role: "user", content: question }], options: { num_predict: 24 } };

await run("ollama", {
  models: async () => {
    const names = (await client.list()).models.map((model) => model.name);
    check(names.includes("starter"), names);
  },
  chat: async () => check((await client.chat(asked)).message.content),
  stream: async () => {
    let last;
    for await (const part of await client.chat({ ...asked, stream: true })) last = part;
    check(last.done, last);
  },
  generate: async () => {
    check((await client.generate({ model: "starter", prompt: question, options: { num_predict: 16 } })).response);
  },
  "structured output": async () => {
    const answer = await client.chat({ ...asked, format: townSchema, options: { num_predict: 60 } });
    check(typeof JSON.parse(answer.message.content).town === "string", answer);
  },
  embeddings: async () => {
    check((await client.embed({ model: "minilm", input: ["a boat", "a ship"] })).embeddings[1].length === 384);
  },
});
