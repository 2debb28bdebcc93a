"""How heavy the pages are and how soon they answer, in headless Chromium with its processor slowed down.

    python benchmarks/site.py [--site _build/html] [--slow 4] [--repeat 3] [--markdown]

Served on loopback, nothing cached. *Drawn*: first contentful paint. *Interactive*: the end of the last
task over 50 ms (not before the document was parsed), once 1 s has passed without another and every
request has ended: after it, a click is answered at once. *Blocked*: how much those tasks exceeded 50 ms by.
*Shift*: cumulative layout shift. The median of the repeats; compare machines only with themselves.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import chromium  # noqa: E402

QUIET = 1000  # ms without a long task
WATCH = """
window.__long = []; window.__shift = 0; window.__drawn = null;
new PerformanceObserver(list => { for (const e of list.getEntries()) __long.push([e.startTime, e.duration]); })
  .observe({type: 'longtask', buffered: true});
new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) __shift += e.value; })
  .observe({type: 'layout-shift', buffered: true});
new PerformanceObserver(list => { for (const e of list.getEntries())
  if (e.name === 'first-contentful-paint') __drawn = e.startTime; }).observe({type: 'paint', buffered: true});
"""
SETTLED = f"""
(() => {{
  const nav = performance.getEntriesByType('navigation')[0];
  const last = Math.max(nav.loadEventEnd, ...__long.map(([start, took]) => start + took));
  return nav.loadEventEnd > 0 && performance.now() - last > {QUIET};
}})()
"""
FIGURES = """
(() => {
  const nav = performance.getEntriesByType('navigation')[0];
  const tasks = __long.filter(([start]) => start >= nav.responseStart - 1);
  return {drawn: __drawn, loaded: nav.loadEventEnd, shift: __shift,
    interactive: Math.max(nav.domContentLoadedEventEnd, __drawn || 0, ...tasks.map(([start, took]) => start + took)),
    blocked: tasks.reduce((sum, [, took]) => sum + took - 50, 0)};
})()
"""


def measure(page: chromium.Page, url: str) -> dict[str, float]:
    """One cold visit."""
    page.call("Network.clearBrowserCache")
    page.open(url)
    page.until(SETTLED, timeout=60)
    return {**page.run(FIGURES), "bytes": page.bytes, "requests": len(page.requests)}


def main(arguments: list[str] | None = None) -> int:
    """Print one line a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--slow", type=float, default=4, help="how many times slower the processor is made")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], help="names of pages; default: all")
    parser.add_argument("--markdown", action="store_true")
    args = parser.parse_args(arguments)
    names = sorted(
        p.relative_to(args.site).as_posix() for p in args.site.rglob("*.html") if "_static" not in p.parts
    )
    names = [n for n in names if not args.only or n in args.only]
    if not names or chromium.find() is None:
        print(f"no pages in {args.site} (make book), or no Chromium", file=sys.stderr)
        return 2
    head = ("page", "kB", "requests", "drawn ms", "interactive ms", "blocked ms", "shift")
    line = (
        "| {} |".format(" | ".join(["{}"] * len(head)))
        if args.markdown
        else "{:<34}" + "{:>15}" * (len(head) - 1)
    )
    print(line.format(*head))
    if args.markdown:
        print(line.format(":--", *["--:"] * (len(head) - 1)))
    with chromium.serve(args.site) as address, chromium.browse(chromium.find()) as page:
        page.resize(1280, 900)
        page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        page.call("Network.setCacheDisabled", cacheDisabled=True)
        page.open(address + names[0])  # the browser's own start is not the page's
        page.call("Emulation.setCPUThrottlingRate", rate=args.slow)
        for name in names:
            seen = [measure(page, address + name) for _ in range(args.repeat)]
            middle = {key: statistics.median(s[key] or 0 for s in seen) for key in seen[0]}
            times = [f"{middle[key]:.0f}" for key in ("drawn", "interactive", "blocked")]
            print(
                line.format(
                    name,
                    f"{middle['bytes'] / 1e3:.0f}",
                    f"{middle['requests']:.0f}",
                    *times,
                    f"{middle['shift']:.3f}",
                ),
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
