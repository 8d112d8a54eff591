// Messages as bubbles: albums as one, only changed ones drawn anew.

import { fileUrl } from "./api.js";
import { $, clock, day, drawing, gist, make, size } from "./dom.js";
import { formatted } from "./entities.js";

const TICK = "M2 7l4 4L14 2";
const TICKS = "M1 7l4 4L13 2M8 10l1 1L17 2";

// Messages in order become groups: an album is one, everything else stands alone.
function groups(messages) {
  const result = [];
  for (const message of messages) {
    const last = result.at(-1);
    const album = message.media_group_id;
    if (album && last && last[0].media_group_id === album) last.push(message);
    else result.push([message]);
  }
  return result;
}

function meta(message, onPicture) {
  const mine = !message.from.is_bot;
  const ticks = mine
    ? [make("span", { title: message.shown.read ? "The bot has it" : "Sent" }, drawing(message.shown.read ? TICKS : TICK, "0 0 18 13"))]
    : [];
  const edited = message.shown.edited ? [make("span", { "data-testid": "edited" }, "edited")] : [];
  const time = make("time", { datetime: new Date(message.date * 1000).toISOString() }, clock(message.date));
  return make("span", { class: onPicture ? "meta on-picture" : "meta" }, ...edited, time, ...ticks);
}

function picture(message, act) {
  const best = message.photo.at(-1);
  const shown = message.photo.find((photo) => Math.max(photo.width, photo.height) >= 640) || best;
  const image = make("img", {
    src: fileUrl(shown.file_id), width: best.width, height: best.height,
    alt: message.caption || "Photo", "data-testid": "photo",
  });
  const wide = best.width > 1.3 * best.height;
  return make("button", {
    type: "button", class: `picture${wide ? " wide" : ""}${message.has_media_spoiler ? " veiled" : ""}`,
    "aria-label": "Open the picture",
    onclick: ({ currentTarget }) => {
      if (currentTarget.classList.contains("veiled")) currentTarget.classList.remove("veiled");
      else act.view(fileUrl(best.file_id));
    },
  }, image);
}

function file(message) {
  const document_ = message.document;
  const name = document_.file_name || "file";
  const ending = name.includes(".") ? name.split(".").at(-1).slice(0, 4) : "file";
  const pdf = document_.mime_type === "application/pdf";
  const preview = document_.thumbnail
    ? make("span", { class: "file-icon seen" }, make("img", { src: fileUrl(document_.thumbnail.file_id), alt: "" }))
    : make("span", { class: `file-icon${pdf ? " pdf" : ""}`, "aria-hidden": "true" }, ending);
  const opens = pdf || (document_.mime_type || "").startsWith("image/");
  const about = make("span", { class: "file-about" }, `${size(document_.file_size)} · `,
    make("span", { class: "file-open" }, opens ? "Open" : "Save"));
  return make("a", {
    class: "file", href: fileUrl(document_.file_id), target: "_blank", rel: "noopener", "data-testid": "document",
    "aria-label": `${opens ? "Open" : "Save"} ${name}`,
  }, preview, make("span", { class: "file-words" }, make("span", { class: "file-name" }, name), about));
}

function special(message) {
  if (message.sticker) {
    const image = make("img", { class: "sticker", src: fileUrl(message.sticker.file_id), alt: message.sticker.emoji || "Sticker" });
    image.addEventListener("error", () =>
      image.replaceWith(make("span", { class: "sticker-emoji" }, message.sticker.emoji || "🙂")));
    return image;
  }
  if (message.voice) {
    const seconds = String(message.voice.duration % 60).padStart(2, "0");
    return make("div", { class: "voice" }, make("span", { class: "file-icon", "aria-hidden": "true" }, "▶"),
      make("span", { class: "wave" }), `${Math.floor(message.voice.duration / 60)}:${seconds}`);
  }
  if (message.video) return make("div", { class: "voice" }, make("span", { class: "file-icon" }, "▶"), "Video");
  if (message.location) return make("p", {}, `📍 ${message.location.latitude}, ${message.location.longitude}`);
  if (message.contact) return make("p", {}, `👤 ${message.contact.first_name}, ${message.contact.phone_number}`);
  if (message.dice) return make("p", { class: "sticker-emoji" }, message.dice.emoji);
  return null;
}

function words(message, act) {
  const text = message.text ?? message.caption;
  if (!text) return null;
  const node = make("div", { class: "words", "data-testid": "text" });
  node.append(...formatted(text, message.entities || message.caption_entities, act.command));
  return node;
}

function heading(message, act) {
  const parts = [];
  if (message.forward_origin) {
    const from = message.forward_origin.sender_user?.first_name || message.forward_origin.sender_user_name || "someone";
    parts.push(make("div", { class: "origin" }, "Forwarded from ", make("b", {}, from)));
  }
  const replied = message.reply_to_message;
  if (replied) {
    parts.push(make("button", { type: "button", class: "quoted", onclick: () => act.jump(replied.message_id) },
      make("b", {}, replied.from.first_name), make("span", {}, gist(replied))));
  }
  return parts;
}

function key(message, button, act) {
  const style = `key${button.style ? ` ${button.style}` : ""}${button.url ? " link" : ""}`;
  if (/^(https?|tg):/i.test(button.url || "")) {
    return make("a", { class: style, href: button.url, target: "_blank", rel: "noopener noreferrer", "data-testid": "inline-button" }, button.text);
  }
  const node = make("button", { type: "button", class: style, "data-testid": "inline-button", "data-callback": button.callback_data }, button.text);
  node.addEventListener("click", () => (button.copy_text ? act.copy(button.copy_text.text) : act.press(message, button, node)));
  return node;
}

function keys(message, act) {
  const rows = message.reply_markup?.inline_keyboard;
  if (!rows) return null;
  return make("div", { class: "keys", role: "group", "aria-label": "Buttons" },
    ...rows.map((row) => make("div", { class: "keys-row" }, ...row.map((button) => key(message, button, act)))));
}

function bubble(group, act) {
  const lead = group[0];
  const speaking = group.find((message) => message.caption) || lead;
  const text = words(speaking, act);
  const reactions = lead.shown.reactions.length
    ? make("div", { class: "reactions" }, ...lead.shown.reactions.map((item) => make("span", { class: "reaction" }, item.emoji || "★")))
    : null;
  if (lead.photo) {
    const pictures = group.length > 1
      ? make("div", { class: `album n${group.length}`, "data-testid": "album" }, ...group.map((message) => picture(message, act)))
      : picture(lead, act);
    const below = text || reactions ? make("div", { class: "words-box" }) : null;
    if (text) text.append(meta(group.at(-1)));
    below?.append(...[text, reactions].filter(Boolean));
    return make("div", { class: "bubble media" }, ...heading(lead, act), pictures, text || reactions ? below : meta(group.at(-1), true));
  }
  if (lead.document) {
    if (text) text.append(meta(group.at(-1)));
    return make("div", { class: "bubble" }, ...heading(lead, act), ...group.map(file), text, reactions, text ? null : meta(group.at(-1)));
  }
  const bare = lead.sticker ? "bubble bare" : "bubble";
  const other = special(lead);
  if (text && !other) text.append(meta(lead));
  return make("div", { class: bare }, ...heading(lead, act), other, text, reactions, text && !other ? null : meta(lead));
}

function element(group, act) {
  const lead = group[0];
  if (lead.pinned_message) {
    return make("div", { class: "service", "data-testid": "service" }, `${lead.from.first_name} pinned “${gist(lead.pinned_message).slice(0, 40)}”`);
  }
  const who = lead.from.is_bot ? "bot" : "person";
  const more = make("button", { type: "button", class: "more", "aria-label": "More", "aria-haspopup": "menu", onclick: (event) => act.menu(group[0], event.currentTarget) },
    drawing("M6 9l6 6 6-6"));
  const node = make("article", {
    class: `message ${who === "bot" ? "in" : "out"}`, "data-testid": "message", "data-from": who,
    "data-message-id": lead.message_id, "data-kind": lead.photo ? "photo" : lead.document ? "document" : "text",
    "aria-label": `${lead.from.first_name}, ${clock(lead.date)}`,
    oncontextmenu: (event) => {
      if (event.target.closest("a, .key")) return;
      event.preventDefault();
      act.menu(group[0], event);
    },
  }, make("div", { class: "bubble-box" }, bubble(group, act), more), keys(group.at(-1), act));
  return node;
}

// Keeps the log in step with a list of messages.
export class Log {
  constructor(act) {
    this.act = act;
    this.drawn = new Map();
  }

  clear() {
    this.drawn.clear();
    $("log").replaceChildren();
  }

  show(messages, { draft, empty }) {
    const wanted = [];
    const kept = new Map();
    const first = this.drawn.size === 0;
    let date = "";
    const list = groups(messages);
    list.forEach((group, index) => {
      const lead = group[0];
      const today = day(lead.date);
      if (today !== date) wanted.push(this.keep(kept, `day ${today}`, today, () => make("div", { class: "day" }, today)));
      const next = list[index + 1]?.[0];
      const before = today === date ? list[index - 1]?.[0] : undefined;
      date = today;
      const node = this.keep(kept, String(lead.message_id), JSON.stringify(group), () => element(group, this.act));
      node.classList.toggle("joined", !!before && !before.pinned_message && before.from.id === lead.from.id);
      node.classList.toggle("last", !next || next.from.id !== lead.from.id || !!next.pinned_message);
      if (first) node.classList.add("still");
      wanted.push(node);
    });
    if (draft) wanted.push(this.keep(kept, "draft", JSON.stringify(draft), () => this.ghost(draft)));
    if (!messages.length && empty) wanted.push(this.keep(kept, "empty", empty.key, empty.draw));
    this.drawn = kept;
    this.place(wanted);
  }

  keep(kept, name, signature, draw) {
    const old = this.drawn.get(name);
    const entry = old?.signature === signature ? old : { signature, node: draw() };
    if (old && old !== entry) entry.node.classList.add("still");
    kept.set(name, entry);
    return entry.node;
  }

  ghost(draft) {
    const text = make("div", { class: "words" });
    text.append(...formatted(draft.text || "…", draft.entities, () => {}));
    return make("article", { class: "message in last draft", "data-testid": "draft" }, make("div", { class: "bubble" }, text));
  }

  place(wanted) {
    const log = $("log");
    const keep = new Set(wanted);
    for (const node of [...log.children]) if (!keep.has(node)) node.remove();
    wanted.forEach((node, index) => {
      if (log.children[index] !== node) log.insertBefore(node, log.children[index] || null);
    });
  }
}
