"""A gallery of cases that a reader filters in the page: image, map, border and probabilities of each.

Nothing is fetched: the images stand in one JPEG sheet, the maps as one digit a cell, the borders as points,
and a few lines of script put them together. It works from a file, in Jupyter and in Colab. Controls are real
fields and buttons, so it works from the keyboard; what is found is announced to screen readers.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from gcaf_lib.display import tables
from gcaf_lib.display.style import CLASS_COLOURS, CLASS_NAMES

LIMIT = (
    1_200_000  # bytes of the whole gallery: a page with all its drawings holds 4 MB (tests/test_browser.py)
)
COLUMNS = 24  # images a line of the sheet
SHOWN = 24  # cases a step
DIGITS = "0123456789abcdef"

_STYLE = """
.gcaf-cases{border:1px solid var(--gcaf-edge,#c8ced6);border-radius:6px;padding:.7rem .8rem}
.gcaf-cases .bar{display:flex;flex-wrap:wrap;gap:.5rem .9rem;align-items:center;margin-bottom:.5rem}
.gcaf-cases select,.gcaf-cases button{font:inherit;color:inherit;background:var(--gcaf-soft,transparent);
border:1px solid var(--gcaf-muted,#5a6675);border-radius:4px;padding:.2rem .5rem}
.gcaf-cases ul{list-style:none;margin:0;padding:0;display:grid;
grid-template-columns:repeat(auto-fill,minmax(9.2rem,1fr));gap:.8rem}
.gcaf-cases li{margin:0;min-width:0}
.gcaf-cases .pic{position:relative;width:9rem;height:9rem;overflow:hidden;background:#000}
.gcaf-cases .pic>*{position:absolute;inset:0;width:100%;height:100%}
.gcaf-cases .sheet{background-repeat:no-repeat}
.gcaf-cases .cap{font-size:.8em;line-height:1.35;overflow-wrap:anywhere}
.gcaf-cases .cap b{display:block}
.gcaf-cases .probs{display:grid;grid-template-columns:1.2em 1fr 2.6em;gap:0 .3em;align-items:center;
font-variant-numeric:tabular-nums}
.gcaf-cases .probs i{display:block;height:.55em;min-width:1px}
.gcaf-cases .probs span:nth-child(3n){text-align:right}
.gcaf-cases .nomap canvas,.gcaf-cases .noborder svg{display:none}
.gcaf-cases :is(select,input,button):focus-visible{outline:2px solid #1b7f9e;outline-offset:2px}
.gcaf-cases [role=status]{color:var(--gcaf-muted,#5a6675);font-size:.86em}
"""

_SCRIPT = """
(function(){
const box=document.getElementById(ID),list=box.querySelector('ul'),note=box.querySelector('[role=status]');
const pick=k=>box.querySelector('[data-k='+k+']'),more=box.querySelector('.more');
const f={label:pick('label'),named:pick('named'),outcome:pick('outcome'),why:pick('why'),order:pick('order')};
const names=D.names,letters=D.letters,cases=D.cases,rows=Math.ceil(cases.length/D.columns);
let hits=[],shown=STEP;
const rule=document.createElement('style');rule.textContent='#'+ID+' .sheet{background-image:url('+D.sheet+')}';box.append(rule);
const el=(tag,cls,text)=>{const e=document.createElement(tag);if(cls)e.className=cls;if(text)e.textContent=text;return e};
function heat(v){const s=[[0,0,4],[87,16,110],[188,55,84],[249,142,9],[252,255,164]],x=v*4,i=Math.min(3,x|0),t=x-i;
 return s[i].map((c,k)=>c+(s[i+1][k]-c)*t)}
function tile(n){
 const c=cases[n],li=el('li'),pic=el('div','pic'),img=el('div','sheet');
 img.style.backgroundSize=D.columns*100+'% '+rows*100+'%';
 const x=n%D.columns,y=n/D.columns|0;
 img.style.backgroundPosition=(D.columns>1?x/(D.columns-1)*100:0)+'% '+(rows>1?y/(rows-1)*100:0)+'%';
 pic.append(img);
 if(c.m){const side=Math.round(Math.sqrt(c.m.length)),cv=el('canvas');cv.width=cv.height=side;
  const g=cv.getContext('2d'),d=g.createImageData(side,side);
  for(let i=0;i<c.m.length;i++){const v=parseInt(c.m[i],16)/15;d.data.set([...heat(v),v*175],4*i)}
  g.putImageData(d,0,0);pic.append(cv)}
 if(c.b){const ns='http://www.w3.org/2000/svg',svg=document.createElementNS(ns,'svg'),p=document.createElementNS(ns,'polygon');
  svg.setAttribute('viewBox','0 0 1000 1000');svg.setAttribute('preserveAspectRatio','none');p.setAttribute('points',c.b);
  p.setAttribute('fill','none');p.setAttribute('stroke','#00d7ff');p.setAttribute('stroke-width','1.6');
  p.setAttribute('vector-effect','non-scaling-stroke');svg.append(p);pic.append(svg)}
 const right=c.t===c.a,words=names[c.t]+(right?', named right':', named '+names[c.a]);
 pic.setAttribute('role','img');pic.setAttribute('aria-label','Image: '+words+', '+c.p[c.a]+'%'+(c.m?', with its map':'')+(c.b?' and the tumour border':''));
 const cap=el('div','cap');cap.append(el('b','',names[c.t]+(right?' \\u2713':' \\u2192 '+names[c.a])));
 const probs=el('div','probs');
 c.p.forEach((v,k)=>{const i=el('i');i.style.width=v+'%';i.style.background=D.colours[k];const hold=el('span');hold.append(i);
  probs.append(el('span','',letters[k]),hold,el('span','',v+'%'))});
 cap.append(probs);
 cap.append(el('span','',[c.f,c.e===null?'':'inside: '+c.e+'%',c.w].filter(Boolean).join(' \\u00b7 ')));
 li.append(pic,cap);return li}
function draw(){list.replaceChildren(...hits.slice(0,shown).map(tile));more.hidden=hits.length<=shown;
 note.textContent=hits.length+' of '+cases.length+' cases'+(hits.length>shown?', first '+shown+' shown':'')}
function choose(){shown=STEP;
 hits=cases.map((_,i)=>i).filter(i=>{const c=cases[i];
  return(f.label.value===''||c.t==f.label.value)&&(f.named.value===''||c.a==f.named.value)
   &&(f.outcome.value===''||(c.t===c.a)==(f.outcome.value==='right'))&&(f.why.value===''||c.w.split(', ').includes(f.why.value))});
 const o=f.order.value,key=i=>{const c=cases[i];return o==='sure'?-c.p[c.a]:o==='unsure'?c.p[c.a]:c.e===null?1e9:o==='inside'?-c.e:c.e};
 if(o)hits.sort((a,b)=>key(a)-key(b)||a-b);draw()}
Object.values(f).forEach(s=>s.addEventListener('change',choose));
pick('map').addEventListener('change',e=>list.classList.toggle('nomap',!e.target.checked));
pick('border').addEventListener('change',e=>list.classList.toggle('noborder',!e.target.checked));
more.addEventListener('click',()=>{const at=shown;shown+=STEP;draw();const next=list.children[at];
 if(next){next.tabIndex=-1;next.focus()}});
choose()})();
"""


@dataclass(frozen=True)
class Case:
    """One case. image uint8 (H, W[, 3]); map (h, w) in 0..1 or None; border (m, 2) in fractions or None;
    inside: share of the map's energy in the tumour, or None; why: reasons it was chosen, e.g. ("best",)."""

    name: str
    image: np.ndarray
    label: int
    probs: np.ndarray
    map: np.ndarray | None = None
    border: np.ndarray | None = None
    inside: float | None = None
    why: tuple[str, ...] = ()


def choose(frame: Any, each: int = 4) -> dict[int, tuple[str, ...]]:
    """Index of `frame` to the reasons for showing it: per class (label) the `each` best, median and worst by energy
    among the right answers (NaN is in none of them), and every wrong answer ("misclassified")."""
    out: dict[int, tuple[str, ...]] = {}
    right = frame["right"].astype(bool)
    for _, part in frame[right & frame["energy"].notna()].groupby("label"):
        order = part.sort_values("energy", ascending=False).index.tolist()
        middle = max(0, len(order) // 2 - each // 2)
        some = {"best": order[:each], "worst": order[::-1][:each], "median": order[middle : middle + each]}
        for why, rows in some.items():
            for i in rows:
                out[i] = (*out.get(i, ()), why)
    return out | dict.fromkeys(frame.index[~right], ("misclassified",))


def page(cases: Sequence[Case], classes: Sequence[str], name: str, caption: str) -> str:
    """HTML of the gallery under the id `name`; images shrink until it is below `LIMIT` bytes.

    Raises `ValueError` where they can't: show fewer cases.
    """
    rows = [_row(case) for case in cases]
    for side, quality in ((72, 60), (64, 50), (64, 35), (48, 40), (40, 30)):
        text = _page(rows, sheet(cases, side, quality), classes, name, caption)
        if len(text.encode()) <= LIMIT:
            return text
    raise ValueError(f"{len(cases)} cases take {len(text.encode()):,} bytes: more than a page should hold")


def sheet(cases: Sequence[Case], side: int, quality: int) -> str:
    """All images in one grey JPEG, `COLUMNS` a line, as a data address."""
    lines = max(1, -(-len(cases) // COLUMNS))
    canvas = np.zeros((lines * side, COLUMNS * side), np.uint8)
    for k, case in enumerate(cases):
        grey = case.image if case.image.ndim == 2 else case.image.mean(2).astype(np.uint8)
        y, x = k // COLUMNS * side, k % COLUMNS * side
        canvas[y : y + side, x : x + side] = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    data = cv2.imencode(".jpg", canvas, options)[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def _row(case: Case) -> dict[str, Any]:
    probs = np.asarray(case.probs, float)
    border = ""
    if case.border is not None and len(case.border):
        points = np.rint(np.asarray(case.border, float) * 1000).astype(np.int32)
        points = cv2.approxPolyDP(points[:, None], 6, True)[:, 0]
        border = " ".join(f"{x},{y}" for x, y in points)
    cells = ""
    if case.map is not None:
        cells = "".join(DIGITS[v] for v in np.rint(np.clip(case.map, 0, 1) * 15).astype(int).ravel())
    inside = None if case.inside is None or not np.isfinite(case.inside) else round(100 * case.inside)
    return {"f": case.name, "t": int(case.label), "a": int(probs.argmax()), "m": cells, "b": border,
            "p": [round(100 * v) for v in probs], "e": inside, "w": ", ".join(case.why)}  # fmt: skip


def _page(rows: list[dict], image: str, classes: Sequence[str], name: str, caption: str) -> str:
    words = [CLASS_NAMES[c] for c in classes]
    data = {
        "cases": rows, "sheet": image, "columns": COLUMNS, "names": words, "letters": [w[0] for w in words],
        "colours": [CLASS_COLOURS[c] for c in classes],
    }  # fmt: skip
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
    reasons = [w for w in ("misclassified", "best", "median", "worst") if any(w in r["w"] for r in rows)]
    orders = {"sure": "surest first", "unsure": "least sure first"}
    orders |= {"inside": "map most inside", "outside": "map least inside"}
    menus = {
        "label": ("True class", dict(enumerate(words))),
        "named": ("Named", dict(enumerate(words))),
        "outcome": ("Answer", {"wrong": "wrong", "right": "right"}),
        "why": ("Shown as", dict(zip(reasons, reasons))),
        "order": ("Order", orders),
    }
    fields = "".join(
        f'<label>{head} <select data-k="{key}"><option value="">{"as chosen" if key == "order" else "all"}</option>'
        + "".join(f'<option value="{v}">{html.escape(w)}</option>' for v, w in some.items())
        + "</select></label>"
        for key, (head, some) in menus.items()
    )
    ticks = "".join(
        f'<label><input type="checkbox" data-k="{key}" checked> {word}</label>'
        for key, word in {"map": "map", "border": "tumour border"}.items()
    )
    key = " ".join(f"{w[0]} = {w}" for w in words)
    script = f"const ID={json.dumps(name)},STEP={SHOWN},D={text};{_SCRIPT}"
    return (
        f'<section class="gcaf-cases" id="{html.escape(name)}" aria-label="{html.escape(caption)}">'
        f"<style>{_STYLE}</style><p>{tables.inline(caption)} <small>({html.escape(key)})</small></p>"
        f'<div class="bar">{fields}{ticks}</div>'
        f'<p role="status" aria-live="polite">{len(rows)} cases; choosing among them needs scripts.</p>'
        f'<ul></ul><p><button type="button" class="more" hidden>Show more cases</button></p>'
        f"<script>{{{script}}}</script></section>"
    )


def show(cases: Sequence[Case], classes: Sequence[str], name: str, caption: str) -> None:
    """Show `page` in a notebook."""
    from IPython.display import display

    text = page(cases, classes, name, caption)
    display({"text/html": text, "text/plain": f"<gallery of {len(cases)} cases>"}, raw=True)
