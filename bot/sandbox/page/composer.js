// The lower edge: text, replies and edits, the command menu, the sheet for pictures and files.

import { $, drawing, gist, make, size } from "./dom.js";

const PHOTO = /^image\/(jpeg|png|webp|gif|bmp)$/;
const MOST = 10;

export class Composer {
  // act: text(text, replyTo), edit(message, text), files(files, as, caption, replyTo)
  constructor(act) {
    this.act = act;
    this.commands = [];
    this.context = null;
    this.files = [];
    const text = $("text");
    text.addEventListener("input", () => this.typed());
    text.addEventListener("keydown", (event) => this.pressed(event));
    text.addEventListener("paste", (event) => this.offer([...event.clipboardData.files], event));
    $("files").addEventListener("change", (event) => {
      this.offer([...event.target.files]);
      event.target.value = "";
    });
    $("sheet").addEventListener("close", () => this.closed());
    $("sheet-files").addEventListener("click", (event) => this.removed(event));
    this.dropping();
  }

  dropping() {
    const phone = $("phone");
    let depth = 0;
    const over = (shown) => {
      $("drop").hidden = !shown;
    };
    phone.addEventListener("dragenter", (event) => {
      event.preventDefault();
      depth += 1;
      over(true);
    });
    phone.addEventListener("dragover", (event) => event.preventDefault());
    phone.addEventListener("dragleave", () => {
      depth -= 1;
      if (depth <= 0) over(false);
    });
    phone.addEventListener("drop", (event) => {
      event.preventDefault();
      depth = 0;
      over(false);
      this.offer([...event.dataTransfer.files]);
    });
  }

  typed() {
    const text = $("text");
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
    const match = /^\/(\w*)$/.exec(text.value);
    this.suggest(match ? this.commands.filter((item) => item.command.startsWith(match[1])) : []);
  }

  pressed(event) {
    const open = [...$("suggestions").children];
    const chosen = open.findIndex((item) => item.getAttribute("aria-selected") === "true");
    if (open.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const next = (chosen + (event.key === "ArrowDown" ? 1 : -1) + open.length) % open.length;
      open.forEach((item, index) => item.setAttribute("aria-selected", String(index === next)));
      open[next].scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (chosen >= 0) open[chosen].click();
      else this.send();
    } else if (event.key === "Escape") {
      this.suggest([]);
      this.drop();
    }
  }

  toggleMenu() {
    this.suggest($("suggestions").hidden ? this.commands : []);
    $("suggestions").firstElementChild?.focus();
  }

  suggest(commands) {
    const list = $("suggestions");
    list.replaceChildren(...commands.map((item) =>
      make("button", {
        type: "button", class: "suggestion", role: "option", "aria-selected": "false", "data-testid": "command",
        onclick: () => {
          this.suggest([]);
          $("text").value = "";
          this.act.text(`/${item.command}`);
        },
        onkeydown: (event) => {
          const to = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
          if (to) {
            event.preventDefault();
            event.currentTarget[to]?.focus();
          } else if (event.key === "Escape") {
            this.suggest([]);
            $("text").focus();
          }
        },
      }, make("b", {}, `/${item.command}`), make("span", {}, item.description))));
    list.hidden = commands.length === 0;
    $("menu-button").setAttribute("aria-expanded", String(commands.length > 0));
  }

  send() {
    const text = $("text").value.trim();
    if (!text) return;
    const { kind, message } = this.context || {};
    $("text").value = "";
    this.drop();
    this.typed();
    if (kind === "edit") this.act.edit(message, text);
    else this.act.text(text, message?.message_id);
  }

  replyTo(message) {
    this.hold("reply", message, `Reply to ${message.from.first_name}`);
  }

  editing(message) {
    this.hold("edit", message, "Edit message");
    $("text").value = message.text || message.caption || "";
    this.typed();
  }

  hold(kind, message, title) {
    this.context = { kind, message };
    $("context-title").textContent = title;
    $("context-text").textContent = gist(message);
    $("context").hidden = false;
    $("text").focus();
  }

  drop() {
    if (this.context?.kind === "edit") $("text").value = "";
    this.context = null;
    $("context").hidden = true;
  }

  offer(files, event) {
    if (!files.length) return;
    event?.preventDefault();
    this.files = [...($("sheet").open ? this.files : []), ...files].slice(0, MOST);
    this.draw();
    if (!$("sheet").open) {
      const photos = this.files.every((file) => PHOTO.test(file.type));
      this.choice(photos ? "photo" : "document");
      $("caption").value = $("text").value.trim();
      $("sheet").returnValue = "";
      $("sheet").showModal();
      $("caption").focus();
    }
  }

  choice(as) {
    for (const input of $("sheet").querySelectorAll("input[name=as]")) {
      if (input.value === "photo") input.disabled = !this.files.every((file) => PHOTO.test(file.type));
      if (as) input.checked = input.value === as;
    }
  }

  draw() {
    const single = this.files.length === 1;
    $("sheet-title").textContent = single ? "Send a file" : `Send ${this.files.length} files`;
    if (this.files.every((file) => PHOTO.test(file.type))) {
      $("sheet-title").textContent = single ? "Send a picture" : `Send ${this.files.length} pictures`;
    }
    $("sheet-files").classList.toggle("single", single);
    for (const image of $("sheet-files").querySelectorAll("img")) URL.revokeObjectURL(image.src);
    $("sheet-files").replaceChildren(...this.files.map((file, index) => {
      const shown = PHOTO.test(file.type)
        ? make("img", { src: URL.createObjectURL(file), alt: file.name })
        : make("span", { class: "sheet-file-words" }, file.name, make("small", {}, size(file.size)));
      const remove = make("button", { type: "button", class: "remove", "data-index": index, "aria-label": `Remove ${file.name}` }, drawing("m6 6 12 12M18 6 6 18"));
      return make("div", { class: "sheet-file", "data-testid": "sheet-file" }, shown, single ? null : remove);
    }));
    this.choice();
  }

  removed(event) {
    const button = event.target.closest(".remove");
    if (!button) return;
    this.files.splice(Number(button.dataset.index), 1);
    this.draw();
  }

  closed() {
    const files = this.files;
    this.files = [];
    if ($("sheet").returnValue === "send" && files.length) {
      const as = $("sheet").querySelector("input[name=as]:checked").value;
      this.act.files(files, as, $("caption").value, this.context?.message.message_id);
      $("text").value = "";
      this.drop();
      this.typed();
    }
    $("text").focus();
  }
}
