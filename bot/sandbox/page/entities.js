// Formatted text: entities (UTF-16 offsets, as strings have them here) become elements, one inside the other.

import { make } from "./dom.js";

const PLAIN = {
  bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "pre", blockquote: "blockquote",
};
const WEB = /^(https?|tg|mailto):/i;

function link(address, words) {
  const url = WEB.test(address) ? address : `http://${address}`;
  return make("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: url }, ...words);
}

function wrap(entity, words, text, onCommand) {
  switch (entity.type) {
    case "text_link":
      return link(entity.url, words);
    case "url":
      return link(text, words);
    case "email":
      return link(`mailto:${text}`, words);
    case "bot_command":
      return make("span", {
        class: "command", role: "button", tabindex: "0",
        onclick: () => onCommand(text), onkeydown: (event) => event.key === "Enter" && onCommand(text),
      }, ...words);
    case "spoiler":
      return make("span", {
        class: "spoiler", role: "button", tabindex: "0", "aria-label": "Hidden text",
        onclick: (event) => event.currentTarget.classList.add("open"),
        onkeydown: (event) => event.key === "Enter" && event.currentTarget.classList.add("open"),
      }, ...words);
    case "expandable_blockquote":
      return make("blockquote", {
        class: "folded", tabindex: "0", role: "button",
        onclick: (event) => event.currentTarget.classList.toggle("folded"),
        onkeydown: (event) => event.key === "Enter" && event.currentTarget.classList.toggle("folded"),
      }, ...words);
    default:
      return PLAIN[entity.type] ? make(PLAIN[entity.type], {}, ...words) : make("span", { class: "command" }, ...words);
  }
}

// Nodes for text[from, to) under the entities that lie in it; the outermost come first.
function nodes(text, entities, from, to, onCommand) {
  const result = [];
  let at = from;
  for (let index = 0; index < entities.length; index++) {
    const entity = entities[index];
    const end = Math.min(entity.offset + entity.length, to);
    if (entity.offset < at) continue;
    if (entity.offset > at) result.push(text.slice(at, entity.offset));
    const inner = entities.slice(index + 1).filter((other) => other.offset < end);
    const words = nodes(text, inner, entity.offset, end, onCommand);
    result.push(wrap(entity, words, text.slice(entity.offset, end), onCommand));
    at = end;
  }
  if (at < to) result.push(text.slice(at, to));
  return result;
}

export function formatted(text, entities, onCommand) {
  const ordered = [...(entities || [])].sort((a, b) => a.offset - b.offset || b.length - a.length);
  return nodes(text, ordered, 0, text.length, onCommand);
}
