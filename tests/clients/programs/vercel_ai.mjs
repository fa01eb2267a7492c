// Vercel's AI SDK with its provider for servers that are like OpenAI's.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, Output, streamText, tool } from "ai";
import { z } from "zod";
import { check, key, question, run, url } from "./trial.mjs";

const provider = createOpenAICompatible({
  name: "edgellm", baseURL: `${url}/v1`, apiKey: key, supportsStructuredOutputs: true, includeUsage: true,
});
const model = provider("starter");
const common = { model, prompt: question, maxOutputTokens: 60, temperature: 0, maxRetries: 0 };
const weather = tool({
  description: "The weather in a town.",
  inputSchema: z.object({ town: z.string().max(20) }),
  execute: async ({ town }) => `Rain in ${town}.`,
});

await run("ai", {
  chat: async () => {
    const answer = await generateText(common);
    check(answer.text && answer.usage.outputTokens > 0, answer.usage);
  },
  stream: async () => {
    let text = "";
    for await (const part of streamText(common).textStream) text += part;
    check(text, "no text");
  },
  "structured output": async () => {
    const schema = z.object({ river: z.string().max(20), km: z.number().int().min(1).max(9999) });
    const answer = await generateText({ ...common, output: Output.object({ schema }), maxOutputTokens: 100 });
    check(Number.isInteger(answer.output.km), answer.output);
  },
  tools: async () => {
    const answer = await generateText({ ...common, tools: { weather }, toolChoice: "required", maxOutputTokens: 100 });
    check(answer.toolResults[0].output.startsWith("Rain in"), answer.toolResults);
  },
  embeddings: async () => {
    const found = await embedMany({
      model: (provider.embeddingModel ?? provider.textEmbeddingModel)("minilm"), values: ["a boat", "a ship"], maxRetries: 0,
    });
    check(found.embeddings[1].length === 384, found.embeddings.length);
  },
});
