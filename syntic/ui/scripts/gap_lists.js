// A click on anything that names a point or a column goes to Python, pointing at it to the map. So does a tick,
// which the map knows how to add to the selection or to take out: a box, or Shift with a click or Enter.
const named = (event) => event.target.closest('[data-item]');
const tick = ({dataset}) => document.dispatchEvent(new CustomEvent('g-tick', {detail: Number(dataset.item)}));
element.addEventListener('click', (event) => {
  const item = named(event), column = event.target.closest('[data-stage]');
  if (item && (item.type === 'checkbox' || event.shiftKey || event.ctrlKey || event.metaKey)) tick(item);
  else if (item) trigger('point', {kind: item.dataset.kind, item: Number(item.dataset.item)});
  else if (column) trigger('stage', {stage: column.dataset.stage});
});
element.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !event.shiftKey || !named(event)) return;
  event.preventDefault();  // a browser would click as well
  tick(named(event));
});
watch('value', () => {  // a box that was ticked by hand no longer follows its markup
  for (const box of element.querySelectorAll('[type=checkbox]')) box.checked = box.defaultChecked;
});
for (const [name, on] of [['pointerover', true], ['pointerout', false], ['focusin', true], ['focusout', false]])
  element.addEventListener(name, (event) => {
    const item = named(event);
    if (!item) return;
    const detail = on ? {kind: item.dataset.kind, item: Number(item.dataset.item)} : null;
    document.dispatchEvent(new CustomEvent('g-point', {detail}));
  });
element.addEventListener('click', (event) => {
  if (!event.target.closest('[data-save=csv]')) return;
  const words = (cell) => (cell.querySelector('[type=checkbox]') ? String(+cell.firstChild.checked) : cell.textContent.trim());
  const quoted = (cell) => `"${(cell.ariaLabel ?? words(cell)).replaceAll('"', '""')}"`;
  const rows = [...element.querySelectorAll('tr')].map((row) => [...row.children].map(quoted).join());
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([rows.join('\n')], {type: 'text/csv'}));
  link.download = 'modality-gap-table.csv';
  link.click();
});
