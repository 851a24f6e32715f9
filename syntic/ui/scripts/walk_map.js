// The map of the first page: the sample's path with its arrows, the slider over its refinement, pictures beside the
// pointer, and saving. The path is in the page as data (figures.path_markup); whichever comes last, it or the map,
// draws it.
(() => {
  const card = () => document.getElementById('s-map');
  const plotOf = () => card()?.querySelector('.js-plotly-plot');
  const arrows = ({x, y}) => x[0].slice(1).map((_, i) => ({
    ax: x[0][i], ay: y[0][i], x: x[0][i + 1], y: y[0][i + 1], xref: 'x', yref: 'y', axref: 'x', ayref: 'y', text: '',
    showarrow: true, arrowhead: 2, arrowsize: 1.1, arrowwidth: 2, arrowcolor: '#7f8b99', standoff: 9, startstandoff: 9,
  }));

  const showStep = () => {
    const plot = plotOf(), steps = card()?.querySelector('[data-steps]');
    if (!plot?.data?.length || !window.Plotly) return;
    if (!steps) { window.Plotly.restyle(plot, {x: [[]], y: [[]]}, [plot.data.length - 2]); return; }
    const known = JSON.parse(steps.dataset.steps), i = Number(steps.querySelector('input').value);
    window.Plotly.restyle(plot, {x: [[known.x[i]]], y: [[known.y[i]]]}, [plot.data.length - 2]);
    const words = `step ${known.steps[i]} of ${known.steps.at(-1)}, turned by ${known.turned[i].toFixed(1)}°, `
      + `loss ${known.losses[i].toFixed(3)}`;
    steps.querySelector('output').textContent = words;
    steps.querySelector('input').setAttribute('aria-valuetext', words);
  };

  const thumbnails = (plot) => {
    const tip = document.createElement('div');
    tip.className = 's-thumb'; tip.hidden = true;
    document.body.append(tip);
    // Above the box with the point's name, or below it where there is no room.
    const place = (event) => {
      const box = plot.querySelector('.hoverlayer .hovertext')?.getBoundingClientRect()
        ?? {left: event.clientX + 14, top: event.clientY, bottom: event.clientY};
      const {width, height} = tip.getBoundingClientRect(), above = box.top - height - 8;
      tip.style.left = `${Math.max(4, Math.min(box.left, innerWidth - width - 4))}px`;
      tip.style.top = `${above >= 4 ? above : box.bottom + 8}px`;
    };
    plot.on('plotly_hover', ({points, event}) => {
      const point = points[0], kind = point?.data?.meta;
      if (!kind || !document.getElementById(`g-sheet-${kind}`)) { tip.hidden = true; return; }
      const columns = 25, i = point.pointNumber;
      tip.innerHTML = `<span class="g-tile ${kind}" style="--x:${i % columns};--y:${Math.floor(i / columns)}"></span>`;
      tip.hidden = false;
      place(event);
      requestAnimationFrame(() => place(event)); // its box may be drawn only now
    });
    plot.on('plotly_unhover', () => { tip.hidden = true; });
  };

  const draw = () => {
    const plot = plotOf(), path = card()?.querySelector('[data-path]')?.dataset.path;
    if (!plot?.data?.length || !window.Plotly) return;
    if (!plot.hasThumbnails && plot.on) { plot.hasThumbnails = true; thumbnails(plot); }
    if (!path || plot.drawnPath === path) return;
    plot.drawnPath = path;
    const restyle = JSON.parse(path);
    window.Plotly.update(plot, restyle, {annotations: arrows(restyle)}, [plot.data.length - 1]);
    showStep();
  };

  const save = (kind, plot) => {
    if (kind !== 'csv') {
      const {width, height} = plot.getBoundingClientRect();
      window.Plotly.downloadImage(plot, {format: kind, filename: 'feature-map', width, height, scale: 2});
      return;
    }
    const quoted = (text) => `"${String(text ?? '').replaceAll('<br>', ' ').replaceAll(/<[^>]*>/g, '').replaceAll('"', '""')}"`;
    const full = (i) => plot._fullData?.[i] ?? plot.data[i]; // where arrays that came packed are unpacked
    const rows = plot.data.map((_, i) => full(i)).flatMap((trace) => Array.from(trace.x ?? []).map((x, i) => {
      const kind = trace.hovertemplate?.match(/<b>(.*?)<\/b>/)?.[1] ?? trace.name;
      return x === null ? null : [quoted(kind), x, trace.y[i], quoted(trace.text?.[i])].join();
    })).filter(Boolean);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([['kind,x,y,text', ...rows].join('\n')], {type: 'text/csv'}));
    link.download = 'feature-map.csv';
    link.click();
  };

  document.addEventListener('input', (event) => { if (event.target.id === 's-step') showStep(); });
  document.addEventListener('click', (event) => {
    const button = event.target.closest('#s-map [data-map-save]'), plot = plotOf();
    if (button && plot?.data?.length) save(button.dataset.mapSave, plot);
  });
  const follower = new MutationObserver(draw);
  const follow = () => follower.observe(document.body, {childList: true, subtree: true});
  if (document.body) follow(); else document.addEventListener('DOMContentLoaded', follow);
})();
