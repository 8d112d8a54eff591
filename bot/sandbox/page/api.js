// Talks to the sandbox: JSON requests, file addresses, and the live events.

export class Refused extends Error {}

export async function api(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: body instanceof FormData ? body : JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(`api/${path}`, options);
  } catch {
    throw new Refused("The sandbox does not answer. Is it still running?");
  }
  const content = await answer.json();
  if (!answer.ok) throw new Refused(content.error || answer.statusText);
  return content;
}

export const fileUrl = (fileId) => `api/files/${encodeURIComponent(fileId)}`;

// Calls onEvents with each batch; comes back by itself after a break, from where it was.
export function follow(seq, onEvents, onState) {
  let pause = 500;
  let again = false;
  const connect = () => {
    const address = new URL(`api/live?after=${seq}`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    socket.onopen = () => {
      pause = 500;
      onState(true, again);
      again = true;
    };
    socket.onmessage = ({ data }) => {
      const news = JSON.parse(data);
      seq = news.seq;
      onEvents(news.events);
    };
    socket.onclose = () => {
      onState(false);
      setTimeout(connect, pause);
      pause = Math.min(pause * 2, 8000);
    };
  };
  connect();
}
