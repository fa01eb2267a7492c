// A program that is not written in Python: it starts EdgeLLM, talks HTTP with it, and takes it along when it ends.
//
//     node examples/desktop/handshake.mjs "Why is the sky blue?"
//
// The child says on one line of JSON where it listens and with which token; the token is made for this run and known to
// nobody else. Closing its standard input ends it, and so does the end of this process, however it comes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const command = process.env.EDGELLM ?? "edgellm";
const question = process.argv[2] ?? "Why is the sky blue?";

const child = spawn(command, ["serve", "--stdio-handshake"], { stdio: ["pipe", "pipe", "inherit"] });
const exited = once(child, "exit");

try {
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    exited.then(([code]) => { throw new Error(`EdgeLLM ended with ${code} before it was ready.`); }),
  ]);
  const { url, token, model } = JSON.parse(line);
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "authorization": `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({
      model,
      messages: [{ role: "user", content: question }],
      max_tokens: 100,
      stream: true,
    }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  for await (const text of pieces(answer.body)) process.stdout.write(text);
  process.stdout.write("\n");
} catch (error) {
  console.error(String(error.message ?? error));
  process.exitCode = 1;
} finally {
  child.stdin.end();
  await exited;
}

// The text of each server-sent event, whichever way the network cut them.
async function* pieces(body) {
  let rest = "";
  for await (const bytes of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + bytes).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      const chunk = JSON.parse(line.slice(6));
      if (chunk.error) throw new Error(chunk.error.message);
      yield chunk.choices[0]?.delta?.content ?? "";
    }
  }
}
