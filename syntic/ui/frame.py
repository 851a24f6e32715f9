"""What every page shares: the header with its links, the notice on what is missing, small scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from ..service import Missing
from .scripts import script

PAGES = (
    ("Walk through", ""),
    ("Modality gap", "gap"),
    ("Compare", "compare"),
    ("Train", "train"),
    ("Learn", "learn"),
    ("About", "about"),
)

# The theme button, and on a phone the way from the gallery to what runs; then the map of the first page.
HEAD = (
    """
<script>
(() => {
  const dark = (on) => document.body.classList.toggle('dark', on);
  const isDark = () => document.body.classList.contains('dark');
  const kept = () => { try { return localStorage.getItem('syntic-theme'); } catch { return null; } };
  const asked = new URLSearchParams(location.search).get('__theme');
  const remember = () => {
    // Gradio sets the class by the system's preference while it starts, so this has the last word.
    const follow = () => { if (kept() && !asked && isDark() !== (kept() === 'dark')) dark(!isDark()); };
    new MutationObserver(follow).observe(document.body, {attributeFilter: ['class']});
    follow();
  };
  if (document.body) remember(); else document.addEventListener('DOMContentLoaded', remember);
  // A formula that is wider than its place can be scrolled with the keyboard as well.
  const reachable = () => {
    for (const formula of document.querySelectorAll('.katex-display:not([tabindex])'))
      if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
  };
  const watchFormulas = () => {
    new MutationObserver(reachable).observe(document.body, {childList: true, subtree: true});
    addEventListener('resize', reachable);
  };
  if (document.body) watchFormulas(); else document.addEventListener('DOMContentLoaded', watchFormulas);
  document.addEventListener('click', (event) => {
    if (event.target.closest('.s-theme')) {
      const on = !isDark();
      dark(on);
      try { localStorage.setItem('syntic-theme', on ? 'dark' : 'light'); } catch {}
    }
    const starts = '#s-panel button[data-index], #s-panel button.primary, #s-settings button.secondary, '
      + '#c-panel button[data-index], #c-panel button.primary';
    if (event.target.closest(starts) && window.innerWidth <= 760) {
      document.querySelector('#s-sample, #c-result')?.scrollIntoView({behavior: 'smooth'});
    }
    if (event.target.closest('#s-copy')) {
      const button = event.target.closest('#s-copy');
      const label = button.textContent;
      navigator.clipboard?.writeText(location.href).then(() => {
        button.textContent = 'Copied';
        setTimeout(() => { button.textContent = label; }, 1500);
      });
    }
  });
})();
</script>
"""
    + f"<script>{script('answers.js')}</script><script>{script('walk_map.js')}</script>"
)


def header(current: str, *, waits: bool = True) -> None:
    """Draw the header of a page, with links relative to the app's root.

    What is below it answers no click and no key before `answers_after` says so; a page that nobody fills
    takes `waits=False`.
    """
    root = "." if current == "" else "./"
    links = "".join(
        f'<a href="{path or root}"{" aria-current=page" if path == current else ""}>{escape(name)}</a>'
        for name, path in PAGES
    )
    mark = " data-waits" if waits else ""
    gr.HTML(
        f'<header class="s-header"{mark}><a class="s-brand" href="{root}">SynTIC<small>captions learned from '
        f'texts alone</small></a><nav class="s-nav" aria-label="Pages">{links}</nav><button class="s-theme" '
        'type="button" aria-label="Switch between light and dark" title="Light or dark">◐</button></header>'
    )


def answers_after(filled: Any) -> None:
    """Let the page answer clicks once the event that fills it is over, be it that it failed.

    Until then a click would run on the page's defaults, not on what its link or the visitor's browser says.

    Args:
        filled: what `demo.load(...)` returned for the handler that fills the page.
    """
    for over in (filled.then, filled.failure):  # in the browser `then` follows no failure, as of Gradio 6.31
        over(None, js="() => window.synticAnswers()")


def notice(missing: Sequence[Missing], profile: str) -> str:
    """Return what the profile lacks and what makes it, or nothing."""
    if not missing:
        return ""
    items = "".join(f"<li>{escape(item.what)}: <code>{escape(item.command)}</code></li>" for item in missing)
    return (
        f'<div class="s-notice" role="status">The profile “{escape(profile)}” is not complete yet, so not '
        f"everything can run. Missing:<ul>{items}</ul></div>"
    )
