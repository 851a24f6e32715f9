// Saves figures and reads the heatmap, by pointer or by keyboard. Saving works on the SVG as it is shown: colours and fonts are
// written into a copy of it first.
const download = (blob, name) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob); link.download = name; link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
const KEPT = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linecap', 'opacity', 'fill-opacity',
  'font-family', 'font-size', 'font-weight', 'text-anchor', 'image-rendering'];
const written = (svg) => {
  const copy = svg.cloneNode(true), size = svg.viewBox.baseVal;
  const from = [svg, ...svg.querySelectorAll('*')], to = [copy, ...copy.querySelectorAll('*')];
  from.forEach((shape, i) => {
    const style = getComputedStyle(shape);
    to[i].setAttribute('style', KEPT.map((name) => `${name}:${style.getPropertyValue(name)}`).join(';'));
  });
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.setAttribute('width', size.width); copy.setAttribute('height', size.height);
  const ground = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  for (const [name, value] of [['x', size.x], ['y', size.y], ['width', '100%'], ['height', '100%'],
    ['fill', getComputedStyle(element).getPropertyValue('--s-card')]]) ground.setAttribute(name, value);
  copy.prepend(ground);
  return new Blob([new XMLSerializer().serializeToString(copy)], {type: 'image/svg+xml'});
};
const save = {
  svg: (svg, name) => download(written(svg), `${name}.svg`),
  png: (svg, name) => {
    const picture = new Image(), size = svg.viewBox.baseVal, url = URL.createObjectURL(written(svg));
    picture.onload = () => {
      const page = document.createElement('canvas');
      page.width = 2 * size.width; page.height = 2 * size.height;
      page.getContext('2d').drawImage(picture, 0, 0, page.width, page.height);
      URL.revokeObjectURL(url);
      page.toBlob((blob) => download(blob, `${name}.png`));
    };
    picture.src = url;
  },
  csv: (svg, name, figure) => {
    const {columns, values, labels} = JSON.parse(figure.dataset.table), width = columns.length;
    const numbers = new Float32Array(Uint8Array.from(atob(values), (c) => c.charCodeAt(0)).buffer);
    const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
    const rows = labels.map((label, i) => [quoted(label), ...numbers.slice(i * width, (i + 1) * width)].join());
    download(new Blob([[['', ...columns.map(quoted)].join(), ...rows].join('\n')], {type: 'text/csv'}), `${name}.csv`);
  },
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-save]'), figure = event.target.closest('.g-figure');
  if (button) save[button.dataset.save](figure.querySelector('svg'), figure.dataset.name, figure);
  const cell = cellAt(event);
  if (cell) { cursor = cell; find(cell); }
});
let cursor = null;  // the cell that the keyboard is at
const itemsOf = (figure) => JSON.parse(figure.dataset.items);
const find = ({figure, row}) => {
  const items = itemsOf(figure), n = items.length;
  trigger('point', {kind: row < n ? 'generated' : 'text', item: items[row % n]});
};
const cellAt = (event) => {
  const image = event.target.closest?.('.g-cells');
  if (!image) return null;
  const figure = image.closest('.g-figure'), area = image.getBoundingClientRect(), side = 2 * itemsOf(figure).length;
  const column = Math.min(side - 1, Math.floor(((event.clientX - area.left) / area.width) * side));
  const row = Math.min(side - 1, Math.floor(((event.clientY - area.top) / area.height) * side));
  return row < 0 || column < 0 ? null : {figure, row, column};
};
const read = (cell, live) => {
  const readout = element.querySelector('.g-readout');
  if (!readout) return;
  readout.setAttribute('aria-live', live);
  if (!cell) { readout.textContent = readout.dataset.idle; return; }
  const table = JSON.parse(cell.figure.dataset.table), n = itemsOf(cell.figure).length, {row, column} = cell;
  element.numbers = element.tableText === cell.figure.dataset.table ? element.numbers
    : new Float32Array(Uint8Array.from(atob(table.values), (c) => c.charCodeAt(0)).buffer);
  element.tableText = cell.figure.dataset.table;
  const name = (i) => `${i < n ? 'picture' : 'text'} “${table.labels[i].replace(/^(picture|text): /, '')}”`;
  readout.textContent = `${element.numbers[row * 2 * n + column].toFixed(2).replace('-', '−')}: ${name(row)} and ${name(column)}`;
};
element.addEventListener('pointermove', (event) => read(cellAt(event), 'off'));
const ARROWS = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
element.addEventListener('keydown', (event) => {
  const heatmap = event.target.closest('.g-heatmap'), arrow = ARROWS[event.key];
  if (!heatmap || (!arrow && event.key !== 'Enter')) return;
  event.preventDefault();
  const figure = heatmap.closest('.g-figure'), side = 2 * itemsOf(figure).length, far = event.shiftKey ? 10 : 1;
  const [down, right] = cursor && arrow ? arrow : [0, 0];  // the first key shows where one is
  const go = (at, by) => Math.max(0, Math.min(side - 1, at + far * by));
  cursor = {figure, row: go(cursor?.row ?? 0, down), column: go(cursor?.column ?? side / 2, right)};
  const cells = heatmap.querySelector('.g-cells'), box = heatmap.querySelector('.g-cursor');
  for (const [axis, at] of [['x', cursor.column], ['y', cursor.row]]) {
    const centre = cells[axis].baseVal.value + ((at + 0.5) * cells.width.baseVal.value) / side;
    box.setAttribute(axis, centre - box.width.baseVal.value / 2);
  }
  box.setAttribute('visibility', 'visible');
  read(cursor, 'polite');
  if (event.key === 'Enter') find(cursor);
});
element.addEventListener('focusout', (event) => event.target.querySelector('.g-cursor')?.setAttribute('visibility', 'hidden'));
