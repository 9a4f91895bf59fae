"use strict";
// The behaviour of the page: fills the map, searches, shows neighbours and sides of the tree. On two
// models, `change.js` adds to it.
// Words are put in as text (textContent, canvas), never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const still = matchMedia("(prefers-color-scheme: dark)");

main();

async function main() {
  Bokeh.logger.set_level("warn");
  const plots = {};
  for (const [name, item] of Object.entries(data.figures)) {
    const views = await Bokeh.embed.embed_item(item, name);
    plots[name] = (views.roots ?? Object.values(views))[0].model;
  }
  const atlas = plots.map && (data.moved ? new Change(plots.map) : new Atlas(plots.map));
  const dress = () => {
    Object.values(plots).forEach(colour);
    atlas?.paint();
    atlas?.draw();
  };
  dress();
  still.addEventListener("change", dress);
  performance.mark("drawn");
  document.body.dataset.drawn = "";
}

// ---- colours: those of the style sheet, which has two sets of them ------------------------------

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function inks() {
  return Object.fromEntries(["accent", "second", "third", "soft"].map((name) => [name, ink(name)]));
}

function colour(plot) {
  const soft = ink("soft");
  for (const axis of [...plot.left, ...plot.below].filter((part) => part.axis_label !== undefined)) {
    axis.setv({
      axis_label_text_color: soft, major_label_text_color: soft, axis_line_color: ink("line"),
      major_tick_line_color: ink("line"), minor_tick_line_color: null,
      axis_label_text_font_style: "normal", axis_label_text_font_size: "14px",
      major_label_text_font_size: "13px",
    });
  }
  plot.outline_line_color = null;
  for (const part of plot.center) part.grid_line_color = ink("line");
  const colours = {
    bars: ink("accent"), training: ink("accent"), holdout: ink("second"),
  };
  for (const renderer of plot.renderers) {
    const own = colours[(renderer.name ?? "").split(" ")[0]];
    const glyph = renderer.glyph;
    if (own && "fill_color" in glyph.attributes) glyph.fill_color = own;
    if (own && "line_color" in glyph.attributes) glyph.line_color = own;
    if (renderer.name === "names") glyph.background_fill_color = ink("paper");
    if (renderer.name === "picks") glyph.line_color = ink("paper");
    if (renderer.name?.startsWith("moves")) glyph.line_color = ink("second");
    if (["moves begin", "moves end"].includes(renderer.name)) glyph.fill_color = ink("second");
  }
}

// ---- what the map needs -------------------------------------------------------------------------

function numbers(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
}

function bounds(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

// Whether a box touches none of those before it; then it is remembered. Boxes are kept by cells of
// 40 pixels.
function room(cells, left, right, top, bottom) {
  const keys = [];
  for (let a = Math.floor(left / 40); a <= right / 40; a++) {
    for (let b = Math.floor(top / 40); b <= bottom / 40; b++) keys.push(`${a} ${b}`);
  }
  const touches = (box) => left < box[1] && box[0] < right && top < box[3] && box[2] < bottom;
  if (keys.some((key) => (cells.get(key) ?? []).some(touches))) return false;
  for (const key of keys) cells.set(key, [...(cells.get(key) ?? []), [left, right, top, bottom]]);
  return true;
}

function short(word) {
  return word.length > 24 ? `${word.slice(0, 24)}…` : word;
}

function button(word, works = true) {
  const made = document.createElement(works ? "button" : "span");
  made.className = "word";
  made.textContent = word;
  if (works) {
    made.type = "button";
    made.dataset.word = word;
  } else {
    made.title = "not among the words of the map";
  }
  return made;
}
