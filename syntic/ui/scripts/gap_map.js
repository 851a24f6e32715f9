// The map of the page "Modality gap": some two thousand marks on a canvas, in the plane or in space.
// Runs as `js_on_load` of a gr.HTML: `props.value` holds the places, the events go to Python by `trigger`.
// A 2-D canvas and marks drawn once are fast enough for this many, and need no WebGL, which remote
// desktops and headless browsers often lack.
// A pair, text and generated picture, is small, filled and on top; what comes later is hollow and goes around it.
const LOOKS = {
  text: {shape: 'circle', radius: 2.5, alpha: 0.95}, generated: {shape: 'diamond', radius: 2.3, alpha: 0.95},
  refined: {shape: 'triangle', radius: 4.3, alpha: 0.85, line: 1.2}, projected: {shape: 'circle', radius: 4.3, alpha: 0.75, line: 1.4},
  real: {shape: 'square', radius: 3.9, alpha: 0.9, line: 1.3},
};
const KINDS = Object.keys(LOOKS), DRAWN = ['projected', 'refined', 'real', 'generated', 'text'];  // from below
const PICTURES_DRAWN = ['projected', 'refined', 'generated', 'real', 'text'];  // the fewer real ones over the others
const TILE = 64, COLUMNS = 25, TWEEN_MS = 260, REACH_PX = 14;
const canvas = element.querySelector('canvas'), context = canvas.getContext('2d');
const frame = element.querySelector('.g-frame'), tip = element.querySelector('.g-tip');
const spoken = element.querySelector('.g-spoken'), note = element.querySelector('.g-mapnote');
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const state = {data: null, places: {}, from: null, started: 0, shown: new Set(KINDS), thumbnails: false, lasso: false,
  selection: new Set(), focus: null, hover: null, outline: null, zoom: 1, pan: [0, 0], turn: [0.5, 0.35], marks: {}, fit: null};

const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const css = (name) => getComputedStyle(element).getPropertyValue(name).trim();
const offset = (kind) => (kind === 'real' ? state.data.pairs : 0);
const count = (kind) => (state.places[kind]?.length ?? 0) / (state.data?.dimensions ?? 2);
const sheet = (kind) => document.getElementById(`g-sheet-${kind}`);

// ---- what Python sends ----
const take = () => {
  const data = props.value;
  if (!data || !data.clouds) return;
  const same = state.data && state.data.key === data.key;
  const places = Object.fromEntries(KINDS.filter((k) => data.clouds[k]).map((k) => [k, floats(data.clouds[k])]));
  const moves = same && !calm.matches && KINDS.every((k) => state.places[k]?.length === places[k]?.length);
  state.from = moves ? now() : null;
  state.started = performance.now();
  if (!same) { state.zoom = 1; state.pan = [0, 0]; state.fit = null; }
  state.data = data;
  state.places = places;
  state.selection = new Set(data.selection);
  state.focus = data.focus;
  state.shown = new Set(data.shown);
  state.thumbnails = data.thumbnails;
  note.textContent = data.note;
  element.classList.toggle('in-space', data.dimensions === 3);
  toolbar();
  draw();
};

// ---- geometry ----
const now = () => {
  const share = state.from ? Math.min(1, (performance.now() - state.started) / TWEEN_MS) : 1;
  if (share === 1) { state.from = null; return state.places; }
  const eased = 1 - (1 - share) ** 3;
  return Object.fromEntries(Object.entries(state.places).map(([kind, to]) => {
    const from = state.from[kind], mixed = new Float32Array(to.length);
    for (let i = 0; i < to.length; i++) mixed[i] = from[i] + (to[i] - from[i]) * eased;
    return [kind, mixed];
  }));
};
const span = (places) => {  // of all marks, also hidden ones, so that hiding does not move the others
  const d = state.data.dimensions, low = Array(d).fill(Infinity), high = Array(d).fill(-Infinity);
  for (const values of Object.values(places)) for (let i = 0; i < values.length; i++) {
    low[i % d] = Math.min(low[i % d], values[i]); high[i % d] = Math.max(high[i % d], values[i]);
  }
  return {centre: low.map((v, i) => (v + high[i]) / 2), size: low.map((v, i) => Math.max(high[i] - v, 1e-6))};
};
const projector = (places) => {  // `stretched` layouts fill the frame; the others keep one scale for all axes
  state.fit ??= span(places);
  const {centre, size} = state.fit, width = canvas.clientWidth, height = canvas.clientHeight;
  if (state.data.dimensions === 2) {
    let [across, up] = [(width - 40) / size[0], (height - 40) / size[1]].map((scale) => scale * state.zoom);
    if (!state.data.stretched) across = up = Math.min(across, up);
    return (values, i) => [width / 2 + state.pan[0] + (values[2 * i] - centre[0]) * across,
      height / 2 + state.pan[1] - (values[2 * i + 1] - centre[1]) * up, 1];
  }
  const unit = size.map((length) => (state.data.stretched ? Math.max(...size) / length : 1));
  const radius = Math.hypot(...size.map((length, i) => length * unit[i])) / 2;
  const scale = (state.zoom * Math.min(width, height)) / (1.6 * radius);
  const [cy, sy, cx, sx] = [Math.cos(state.turn[0]), Math.sin(state.turn[0]), Math.cos(state.turn[1]), Math.sin(state.turn[1])];
  return (values, i) => {
    const [x, y, z] = [0, 1, 2].map((axis) => (values[3 * i + axis] - centre[axis]) * unit[axis]);
    const u = x * cy + z * sy, w = z * cy - x * sy, v = y * cx - w * sx, depth = (w * cx + y * sx) / radius;
    const near = 1 / (1 + 0.28 * depth);
    return [width / 2 + state.pan[0] + u * scale * near, height / 2 + state.pan[1] - v * scale * near, near];
  };
};

// ---- drawing: one set of strokes for the canvas and for the SVG file ----
const outlines = (shape, x, y, r) => ({
  diamond: [[x, y - 1.25 * r], [x + 1.25 * r, y], [x, y + 1.25 * r], [x - 1.25 * r, y]],
  triangle: [[x, y - 1.2 * r], [x + 1.15 * r, y + 0.85 * r], [x - 1.15 * r, y + 0.85 * r]],
  square: [[x - 0.9 * r, y - 0.9 * r], [x + 0.9 * r, y - 0.9 * r], [x + 0.9 * r, y + 0.9 * r], [x - 0.9 * r, y + 0.9 * r]],
}[shape]);
const trace = (pen, shape, x, y, r) => {
  pen.beginPath();
  const corners = outlines(shape, x, y, r);
  if (!corners) pen.arc(x, y, r, 0, 2 * Math.PI);
  else { corners.forEach(([a, b], i) => (i ? pen.lineTo(a, b) : pen.moveTo(a, b))); pen.closePath(); }
};
const mark = (kind, faint) => {  // drawn once for every kind, colour and pixel density
  const ratio = devicePixelRatio || 1, small = canvas.clientWidth < 480 ? 0.8 : 1, colour = css(`--kind-${kind}`);
  const key = `${kind}${faint}${ratio}${small}${colour}`;
  if (!state.marks[key]) {
    const side = 14, image = document.createElement('canvas'), {shape, radius, alpha, line} = LOOKS[kind];
    image.width = image.height = side * ratio;
    const pen = image.getContext('2d');
    pen.scale(ratio, ratio);
    pen.globalAlpha = faint ? 0.15 : alpha;
    trace(pen, shape, side / 2, side / 2, radius * small);
    if (line) { pen.lineWidth = line; pen.strokeStyle = colour; pen.stroke(); }
    else { pen.fillStyle = colour; pen.fill(); }
    state.marks[key] = image;
  }
  return state.marks[key];
};
const path = (places, item) => {  // a caption from its text to its picture and on, as far as these are shown
  const kinds = item >= state.data.pairs ? ['real'] : ['text', 'generated', 'refined', 'projected'];
  return kinds.filter((k) => state.shown.has(k) && places[k]).map((k) => [k, item - offset(k)]);
};
const draw = () => {
  if (state.waiting) return;
  state.waiting = requestAnimationFrame(() => { state.waiting = 0; paint(); if (state.from) draw(); });
};
const paint = () => {
  if (!state.data || !canvas.clientWidth) return;
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const places = now(), at = projector(places), some = state.selection.size > 0;
  state.screen = {};
  const order = state.thumbnails ? PICTURES_DRAWN : DRAWN;
  for (const faint of some ? [true, false] : [false]) for (const kind of order) {
    if (!places[kind]) continue;
    const tiles = state.thumbnails && (kind === 'generated' || kind === 'real') ? sheet(kind) : null;
    const screen = (state.screen[kind] ??= new Float32Array(2 * count(kind))), image = mark(kind, faint), skip = offset(kind);
    const colour = css(`--kind-${kind}`);
    for (let i = 0; i < count(kind); i++) {
      const [x, y, near] = at(places[kind], i);
      screen[2 * i] = x; screen[2 * i + 1] = y;
      if (!state.shown.has(kind) || faint !== (some && !state.selection.has(i + skip))) continue;
      if (tiles?.complete && tiles.naturalWidth) {
        const side = (faint ? 14 : 24) * Math.min(1.6, Math.sqrt(state.zoom)) * near;
        context.globalAlpha = faint ? 0.25 : 1;
        context.drawImage(tiles, (i % COLUMNS) * TILE, Math.floor(i / COLUMNS) * TILE, TILE, TILE, x - side / 2, y - side / 2, side, side);
        context.strokeStyle = colour; context.lineWidth = 1.5;
        context.strokeRect(x - side / 2, y - side / 2, side, side);
        context.globalAlpha = 1;
      } else context.drawImage(image, x - 7 * near, y - 7 * near, 14 * near, 14 * near);
    }
  }
  if (state.focus) drawPath(context, places, at);
  if (state.hover) ringAround(state.hover, 8);
  if (state.outline?.length > 1) {
    context.beginPath();
    state.outline.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.fillStyle = css('--s-accent'); context.globalAlpha = 0.1; context.fill();
    context.globalAlpha = 1; context.strokeStyle = css('--s-accent'); context.lineWidth = 1.5; context.stroke();
  }
};
const ringAround = ({kind, item}, radius) => {
  const i = item - offset(kind), screen = state.screen[kind];
  if (!screen) return;
  context.beginPath(); context.arc(screen[2 * i], screen[2 * i + 1], radius, 0, 2 * Math.PI);
  context.lineWidth = 2; context.strokeStyle = css('--s-ink'); context.stroke();
};
const drawPath = (pen, places, at) => {
  const stops = path(places, state.focus.item).map(([kind, i]) => [kind, at(places[kind], i)]);
  pen.strokeStyle = css('--s-ink'); pen.lineWidth = 1.6;
  pen.beginPath();
  stops.forEach(([, [x, y]], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
  for (const [kind, [x, y]] of stops) {
    const {shape, line} = LOOKS[kind], [ground, colour] = [css('--s-card'), css(`--kind-${kind}`)];
    trace(pen, shape, x, y, 7);
    pen.fillStyle = line ? ground : colour; pen.fill();
    pen.lineWidth = line ? 3 : 1.6;
    pen.strokeStyle = line ? colour : ground; pen.stroke();
  }
  const own = stops.find(([kind]) => kind === state.focus.kind);
  if (own) { pen.beginPath(); pen.arc(own[1][0], own[1][1], 11, 0, 2 * Math.PI); pen.lineWidth = 2; pen.strokeStyle = css('--s-ink'); pen.stroke(); }
};

// ---- pointing ----
const nearest = (x, y, reach = REACH_PX) => {
  let best = null, least = reach * reach;
  for (const kind of KINDS) {
    const screen = state.screen?.[kind];
    if (!screen || !state.shown.has(kind)) continue;
    for (let i = 0; i < screen.length / 2; i++) {
      const distance = (screen[2 * i] - x) ** 2 + (screen[2 * i + 1] - y) ** 2;
      if (distance < least) { least = distance; best = {kind, item: i + offset(kind)}; }
    }
  }
  return best;
};
const describe = ({kind, item}) => `${state.data.names[kind]}: ${state.data.captions[item]}`;
const showTip = (point) => {
  state.hover = point;
  tip.hidden = !point;
  if (point) {
    const i = point.item - offset(point.kind), x = state.screen[point.kind][2 * i], y = state.screen[point.kind][2 * i + 1];
    tip.replaceChildren();
    const pictured = point.item >= state.data.pairs ? 'real' : 'generated';
    if (sheet(pictured) && point.kind !== 'text') {
      const tile = document.createElement('span');
      tile.className = `g-tile ${pictured}`;
      tile.style.cssText = `--x:${(point.item - offset(pictured)) % COLUMNS};--y:${Math.floor((point.item - offset(pictured)) / COLUMNS)}`;
      tip.append(tile);
    }
    const words = document.createElement('span'), name = document.createElement('b');
    name.textContent = state.data.names[point.kind];
    words.append(name, document.createElement('br'), state.data.captions[point.item]);
    tip.append(words);
    tip.style.left = `${Math.max(4, Math.min(x + 14, canvas.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, y + 16 + tip.offsetHeight > canvas.clientHeight ? y - tip.offsetHeight - 12 : y + 16)}px`;
  }
  draw();
};
const inside = (polygon, x, y) => {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [a, b] = polygon[i], [c, d] = polygon[j];
    if ((b > y) !== (d > y) && x < ((c - a) * (y - b)) / (d - b) + a) odd = !odd;
  }
  return odd;
};
const select = (items, ticked = false) => {  // `ticked`: in a list, which keeps what it lists
  state.selection = new Set(items);
  toolbar();
  draw();
  trigger('lasso', {items: [...state.selection].sort((a, b) => a - b), ticked});
};
const toggled = (item) => { const items = new Set(state.selection); if (!items.delete(item)) items.add(item); return items; };
const pick = (point) => { state.focus = point; spoken.textContent = describe(point); draw(); trigger('point', point); };
const endLasso = () => {
  const found = new Set();
  for (const kind of KINDS) {
    const screen = state.screen[kind];
    if (!screen || !state.shown.has(kind)) continue;
    for (let i = 0; i < screen.length / 2; i++) if (inside(state.outline, screen[2 * i], screen[2 * i + 1])) found.add(i + offset(kind));
  }
  state.outline = null;
  select(found);
};
const spot = (event) => { const r = canvas.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; };
let held = null;
canvas.addEventListener('pointerdown', (event) => {
  if (!state.data || event.button) return;
  held = {at: spot(event), moved: false};
  if (state.lasso) state.outline = [held.at];
  try { canvas.setPointerCapture(event.pointerId); } catch {}
});
canvas.addEventListener('pointermove', (event) => {
  if (!state.data) return;
  const [x, y] = spot(event);
  if (!held) return showTip(nearest(x, y));
  const dx = x - held.at[0], dy = y - held.at[1];
  if (Math.hypot(dx, dy) > 4) held.moved = true;
  if (!held.moved) return;
  if (state.outline) state.outline.push([x, y]);
  else {
    if (state.data.dimensions === 3) { state.turn[0] += dx * 0.008; state.turn[1] = Math.max(-1.5, Math.min(1.5, state.turn[1] + dy * 0.008)); }
    else { state.pan[0] += dx; state.pan[1] += dy; }
    held.at = [x, y];
  }
  state.hover = null; tip.hidden = true;
  draw();
});
canvas.addEventListener('pointerup', (event) => {
  if (!held) return;
  const {moved} = held, point = nearest(...spot(event));
  held = null;
  if (moved && state.outline?.length > 2) return endLasso();
  state.outline = null;
  if (!moved && point) pick(point);
  draw();
});
canvas.addEventListener('pointercancel', () => { held = null; state.outline = null; draw(); });
canvas.addEventListener('pointerleave', () => { if (!held) showTip(null); });
const zoomBy = (factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) => {
  const zoom = Math.max(0.5, Math.min(30, state.zoom * factor)), real = zoom / state.zoom;
  const cx = x - canvas.clientWidth / 2, cy = y - canvas.clientHeight / 2;
  state.pan = [cx - (cx - state.pan[0]) * real, cy - (cy - state.pan[1]) * real];
  state.zoom = zoom;
  draw();
};
canvas.addEventListener('wheel', (event) => {
  if (!state.data || !(event.ctrlKey || event.metaKey || document.activeElement === canvas)) return;  // else the page scrolls
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * 0.0016), ...spot(event));
}, {passive: false});
const showAll = () => { state.zoom = 1; state.pan = [0, 0]; state.fit = null; draw(); };
canvas.addEventListener('dblclick', showAll);

// ---- keyboard ----
const step = (dx, dy) => {
  const start = state.hover ?? state.focus, size = [canvas.clientWidth / 2, canvas.clientHeight / 2];
  const i = start ? start.item - offset(start.kind) : 0;
  const [x, y] = start && state.screen[start.kind] ? [state.screen[start.kind][2 * i], state.screen[start.kind][2 * i + 1]] : size;
  let best = null, least = Infinity;
  for (const kind of KINDS) {
    const screen = state.screen?.[kind];
    if (!screen || !state.shown.has(kind)) continue;
    for (let j = 0; j < screen.length / 2; j++) {
      const along = (screen[2 * j] - x) * dx + (screen[2 * j + 1] - y) * dy;
      const across = Math.abs((screen[2 * j] - x) * dy) + Math.abs((screen[2 * j + 1] - y) * dx);
      if (along > 1 && along + 2 * across < least) { least = along + 2 * across; best = {kind, item: j + offset(kind)}; }
    }
  }
  if (best) { showTip(best); spoken.textContent = describe(best); }
};
canvas.addEventListener('keydown', (event) => {
  const arrows = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}, turn = {ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.12], ArrowDown: [0, 0.12]};
  if (event.shiftKey && arrows[event.key]) {
    const [dx, dy] = arrows[event.key], [a, b] = turn[event.key];
    if (state.data.dimensions === 3) { state.turn[0] += a; state.turn[1] += b; } else { state.pan[0] -= 40 * dx; state.pan[1] -= 40 * dy; }
    draw();
  } else if (arrows[event.key]) step(...arrows[event.key]);
  else if (event.key === 'Enter' && state.hover) pick(state.hover);
  else if (event.key === ' ' && state.hover) select(toggled(state.hover.item));
  else if (event.key === 'Escape') select([]);
  else if (event.key === '+' || event.key === '=') zoomBy(1.25);
  else if (event.key === '-') zoomBy(0.8);
  else if (event.key === '0') showAll();
  else return;
  event.preventDefault();
});

// ---- buttons ----
const toolbar = () => {
  for (const button of element.querySelectorAll('[data-kind]')) {
    button.hidden = !state.places[button.dataset.kind];
    button.setAttribute('aria-pressed', state.shown.has(button.dataset.kind));
  }
  element.querySelector('[data-act=thumbnails]').setAttribute('aria-pressed', state.thumbnails);
  element.querySelector('[data-act=lasso]').setAttribute('aria-pressed', state.lasso);
  element.querySelector('[data-act=clear]').disabled = !state.selection.size;
  canvas.style.touchAction = state.lasso ? 'none' : 'pan-y';
  canvas.style.cursor = state.lasso ? 'crosshair' : 'grab';
};
const tell = () => trigger('toggle', {shown: KINDS.filter((k) => state.shown.has(k)), thumbnails: state.thumbnails});
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button || !state.data) return;
  const {kind, act, save} = button.dataset;
  if (kind) { if (!state.shown.delete(kind)) state.shown.add(kind); tell(); }
  if (act === 'thumbnails') { state.thumbnails = !state.thumbnails; tell(); }
  if (act === 'lasso') state.lasso = !state.lasso;
  if (act === 'clear') select([]);
  if (act === 'reset') { state.turn = [0.5, 0.35]; showAll(); }
  if (act === 'in') zoomBy(1.4);
  if (act === 'out') zoomBy(1 / 1.4);
  if (save) files[save]();
  toolbar();
  draw();
});

// ---- files ----
const download = (blob, name) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob); link.download = name; link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
const visible = function* () {
  const places = now(), at = projector(places), d = state.data.dimensions;
  for (const kind of KINDS) {
    if (!places[kind] || !state.shown.has(kind)) continue;
    for (let i = 0; i < count(kind); i++) yield {kind, item: i + offset(kind), place: [...places[kind].slice(d * i, d * i + d)], screen: at(places[kind], i)};
  }
};
const files = {
  png: () => {
    const page = document.createElement('canvas');
    page.width = canvas.width; page.height = canvas.height;
    const pen = page.getContext('2d');
    pen.fillStyle = css('--s-card'); pen.fillRect(0, 0, page.width, page.height); pen.drawImage(canvas, 0, 0);
    page.toBlob((blob) => download(blob, 'modality-gap-map.png'));
  },
  svg: () => {
    const r = (v) => v.toFixed(1), all = [...visible()].sort((a, b) => DRAWN.indexOf(a.kind) - DRAWN.indexOf(b.kind));
    const marks = all.map(({kind, item, screen: [x, y, near]}) => {
      const {shape, radius, alpha, line} = LOOKS[kind], corners = outlines(shape, x, y, radius * near), colour = css(`--kind-${kind}`);
      const look = `${line ? `fill="none" stroke="${colour}" stroke-width="${line}"` : `fill="${colour}"`} `
        + `opacity="${state.selection.size && !state.selection.has(item) ? 0.15 : alpha}"`;
      return corners ? `<polygon points="${corners.map((c) => c.map(r).join()).join(' ')}" ${look}/>`
        : `<circle cx="${r(x)}" cy="${r(y)}" r="${r(radius * near)}" ${look}/>`;
    });
    const size = `width="${canvas.clientWidth}" height="${canvas.clientHeight}"`;
    download(new Blob([`<svg xmlns="http://www.w3.org/2000/svg" ${size}><rect ${size} fill="${css('--s-card')}"/>${marks.join('')}</svg>`], {type: 'image/svg+xml'}), 'modality-gap-map.svg');
  },
  csv: () => {
    const rows = [...visible()].map(({kind, item, place}) => [kind, item, `"${state.data.captions[item].replaceAll('"', '""')}"`, ...place.map((v) => v.toFixed(5)), state.selection.has(item) ? 1 : 0].join());
    const axes = ['x', 'y', 'z'].slice(0, state.data.dimensions);
    download(new Blob([[['kind', 'item', 'caption', ...axes, 'selected'].join(), ...rows].join('\n')], {type: 'text/csv'}), 'modality-gap-map.csv');
  },
};

// A point named elsewhere on the page (gallery, table, neighbours) is shown here while it is pointed at.
document.addEventListener('g-point', (event) => {
  const {kind, item} = event.detail ?? {};
  if (state.data && state.screen) showTip(kind && state.shown.has(kind) && item - offset(kind) < count(kind) ? {kind, item} : null);
});
document.addEventListener('g-tick', ({detail}) => { if (state.data) select(toggled(detail), true); });
document.addEventListener('g-sheets', draw);
new ResizeObserver(draw).observe(frame);
new MutationObserver(() => { state.marks = {}; draw(); }).observe(document.body, {attributeFilter: ['class']});
watch('value', take);
take();
