// A word that the decoder considered and did not take goes to Python, which lets the decoder go on from it.
element.addEventListener('click', (event) => {
  const chosen = event.target.closest('[data-position]');
  if (chosen) trigger('follow', {position: Number(chosen.dataset.position), token: Number(chosen.dataset.token)});
});
