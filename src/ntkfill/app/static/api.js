// Requests to the server, and its events.

export class Failure extends Error {}

/** JSON, bytes (`as: "bytes"`) or the response itself (`as: "response"`); failures are sentences. */
export async function request(method, path, { body, query, as = "json", signal } = {}) {
  const address = new URL(`api/v1/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query ?? {})) address.searchParams.set(name, value);
  const plain = body === undefined || body instanceof Blob || body instanceof Uint8Array;
  let response;
  try {
    response = await fetch(address, {
      method,
      body: plain ? body : JSON.stringify(body),
      headers: body === undefined ? {} :
        { "Content-Type": plain ? "application/octet-stream" : "application/json" },
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The server does not answer. Is ntkfill app still running?");
  }
  if (!response.ok) {
    const text = await response.json().then((answer) => answer.error, () => response.statusText);
    throw new Failure(sentence(text));
  }
  if (as === "response") return response;
  return as === "bytes" ? new Uint8Array(await response.arrayBuffer()) : response.json();
}

/** With a capital letter, unless it begins with the name of a file. */
export const sentence = (text) =>
  /^[a-z]+[ ,]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;

/** Download what a path answers, under the name that the server gives; returns what its format
 * cannot keep. */
export async function download(path, query) {
  const response = await request("GET", path, { query, as: "response" });
  const disposition = response.headers.get("Content-Disposition") ?? "";
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(disposition)?.[1];
  const name = encoded ? decodeURIComponent(encoded) : /filename="([^"]+)"/.exec(disposition)?.[1];
  saveBlob(await response.blob(), name ?? "ntkfill");
  return { name, lost: decodeURIComponent(response.headers.get("X-Not-Kept") ?? "") };
}

export function saveBlob(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Call `heard` with the state of every document that changes (an empty one when the server is
 * there), and `lost` when it is gone.
 *
 * A browser opens six connections to a server at most, so that only one tab listens, the one that
 * holds a lock, and tells the others. */
export function listen(heard, lost) {
  const name = `ntkfill ${new URL(".", document.baseURI)}`; // the same whatever a tab shows
  const channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }) => (data === null ? lost() : heard(data));
  const open = () => new Promise(() => {
    const source = new EventSource(new URL("api/v1/events", document.baseURI));
    source.onmessage = ({ data }) => {
      const state = JSON.parse(data);
      channel.postMessage(state);
      heard(state);
    };
    source.onopen = () => {
      channel.postMessage({});
      heard({});
    };
    source.onerror = () => {
      channel.postMessage(null);
      lost();
    };
  });
  if (navigator.locks) navigator.locks.request(name, open);
  else open();
}
