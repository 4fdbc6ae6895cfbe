"use strict";
// The answer of the server as {ok, status, content}.
const ask = async (path, body) => {
  const options = { cache: "no-store" };
  if (body !== undefined) {
    Object.assign(options, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }
  try {
    const answer = await fetch(path, options);
    return { ok: answer.ok, status: answer.status, content: await answer.json() };
  } catch {
    const reason = "repair.py does not answer: nothing is decided until it runs again";
    return { ok: false, status: 0, content: { error: reason } };
  }
};
