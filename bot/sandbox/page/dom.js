// Small helpers to build elements; text goes in as text, never as markup.

export const $ = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function drawing(path, box = "0 0 24 24") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", box);
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

export const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

export function day(seconds) {
  const date = new Date(seconds * 1000);
  const apart = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86400000);
  if (apart === 0) return "Today";
  if (apart === 1) return "Yesterday";
  return date.toLocaleDateString([], { day: "numeric", month: "long" });
}

// One line that says what a message is, for previews.
export function gist(message) {
  if (!message) return "";
  const words = message.text || message.caption || "";
  if (message.photo) return words ? `Photo: ${words}` : "Photo";
  if (message.document) return words ? `File: ${words}` : message.document.file_name || "File";
  if (message.sticker) return `${message.sticker.emoji || ""} Sticker`;
  if (message.voice) return "Voice message";
  if (message.video) return "Video";
  if (message.pinned_message) return "Pinned a message";
  return words || "Message";
}
