// Until the server has filled a page, everything below its header is inert: a click would run on the page's
// defaults instead of what the link asks for. See `answers_after` in frame.py.
(() => {
  const below = () => {
    const header = document.querySelector('.s-header[data-waits]')?.closest('.block');
    return header ? [...header.parentElement.children].filter((part) => part !== header) : [];
  };
  const hold = () => {
    for (const part of below()) {
      part.inert = true;
      part.setAttribute('aria-busy', 'true');
    }
  };
  // Its callback runs before the browser hands out the next click, so there is no moment in between.
  const watch = new MutationObserver(hold);
  const start = () => { hold(); watch.observe(document.body, {childList: true, subtree: true}); };
  window.synticAnswers = () => {
    watch.disconnect();
    for (const part of below()) {
      part.inert = false;
      part.removeAttribute('aria-busy');
    }
    document.documentElement.dataset.answers = '';
  };
  if (document.body) start(); else document.addEventListener('DOMContentLoaded', start);
})();
