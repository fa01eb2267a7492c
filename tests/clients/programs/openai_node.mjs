// OpenAI's client for Node.

import OpenAI from "openai";
import { check, key, question, run, townSchema, url } from "./trial.mjs";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: question }];
const tools = [{ type: "function", function: { name: "weather", parameters: townSchema } }];
const ask = (fields) =>
  client.chat.completions.create({ model: "starter", messages, max_tokens: 24, temperature: 0, ...fields });

await run("openai", {
  models: async () => {
    const names = (await client.models.list()).data.map((model) => model.id);
    check(names.includes("starter"), names);
  },
  chat: async () => check((await ask({})).choices[0].message.content),
  stream: async () => {
    let text = "";
    for await (const chunk of await ask({ stream: true })) text += chunk.choices[0]?.delta?.content ?? "";
    check(text === (await ask({})).choices[0].message.content, text);
  },
  tools: async () => {
    const answer = await ask({ tools, tool_choice: "required", max_tokens: 100 });
    check(typeof JSON.parse(answer.choices[0].message.tool_calls[0].function.arguments).town === "string", answer);
  },
  "structured output": async () => {
    const format = { type: "json_schema", json_schema: { name: "town", schema: townSchema, strict: true } };
    const answer = await ask({ response_format: format, max_tokens: 60 });
    check(typeof JSON.parse(answer.choices[0].message.content).town === "string", answer);
  },
  embeddings: async () => {
    const found = await client.embeddings.create({ model: "minilm", input: ["a boat", "a ship"] });
    check(found.data[1].embedding.length === 384, found.data.length);
  },
  responses: async () => {
    const answer = await client.responses.create({ model: "starter", input: question, max_output_tokens: 24 });
    check(answer.output_text, answer);
    const kinds = [];
    const stream = await client.responses.create({
      model: "starter", input: question, max_output_tokens: 24, stream: true,
    });
    for await (const event of stream) kinds.push(event.type);
    check(kinds[0] === "response.created", kinds);
  },
  errors: async () => {
    try {
      await ask({ model: "gone" });
    } catch (problem) {
      check(problem instanceof OpenAI.NotFoundError && problem.code === "model_not_found", String(problem));
      return;
    }
    check(false, "an unknown model was answered");
  },
});
