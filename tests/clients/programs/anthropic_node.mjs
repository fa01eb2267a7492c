// Anthropic's client for Node.

import Anthropic from "@anthropic-ai/sdk";
import { check, key, question, run, townSchema, url } from "./trial.mjs";

const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: question }];
const ask = (fields) => client.messages.create({ model: "starter", max_tokens: 24, messages, ...fields });

await run("@anthropic-ai/sdk", {
  messages: async () => check((await ask({})).content[0].text),
  stream: async () => {
    const final = await client.messages.stream({ model: "starter", max_tokens: 24, messages }).finalMessage();
    check(final.content[0].text, final);
  },
  tools: async () => {
    const tools = [{ name: "weather", input_schema: townSchema }];
    const answer = await ask({ tools, tool_choice: { type: "any" }, max_tokens: 100 });
    check(answer.content.some((block) => block.type === "tool_use"), answer);
  },
  "token counting": async () => {
    check((await client.messages.countTokens({ model: "starter", messages })).input_tokens > 0);
  },
});
