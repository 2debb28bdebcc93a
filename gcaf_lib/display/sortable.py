"""A table that a reader sorts and searches in the page: plain HTML and a few lines of script.

Nothing is fetched: it works from a file, in Jupyter and in Colab. Only some rows are in the page's
tree at a time, so that thousands of rows stay quick. Every control is a real button or field, so it works
from the keyboard; changes are announced to screen readers.
"""

from __future__ import annotations

import html
import json
import re

import pandas as pd

from gcaf_lib.display import tables

LIMIT = 1_000_000  # bytes of the whole table: more makes a page slow
SHOWN = 25  # rows a step
LONG = 4  # words of a list shown before the rest folds away

_STYLE = """
.gcaf-browse{border:1px solid var(--gcaf-edge,#c8ced6);border-radius:6px;padding:.7rem .8rem;overflow-x:auto}
.gcaf-browse .bar{display:flex;flex-wrap:wrap;gap:.5rem .9rem;align-items:center;margin-bottom:.5rem}
.gcaf-browse input,.gcaf-browse button{font:inherit;color:inherit;background:transparent;
border:1px solid var(--gcaf-muted,#5a6675);border-radius:4px;padding:.2rem .5rem}
.gcaf-browse input{min-width:14rem}
.gcaf-browse table{border-collapse:collapse;font-size:.88em;font-variant-numeric:tabular-nums;width:100%}
.gcaf-browse th{text-align:left;white-space:nowrap;padding:.15rem .4rem}
.gcaf-browse th button{border:0;padding:.2rem 0;font-weight:700;cursor:pointer}
.gcaf-browse th button::after{content:" \\2195";opacity:.55}
.gcaf-browse th[aria-sort=ascending] button::after{content:" \\2191";opacity:1}
.gcaf-browse th[aria-sort=descending] button::after{content:" \\2193";opacity:1}
.gcaf-browse td{border-top:1px solid var(--gcaf-edge,#c8ced6);padding:.2rem .4rem;vertical-align:top}
.gcaf-browse td.number{text-align:right}
.gcaf-browse :is(input,button,summary):focus-visible{outline:2px solid #1b7f9e;outline-offset:2px}
.gcaf-browse [role=status]{color:var(--gcaf-muted,#5a6675);font-size:.86em}
"""

_SCRIPT = """
(function(){
const box=document.getElementById(ID),columns=DATA.columns,rows=DATA.rows;
const body=box.querySelector('tbody'),field=box.querySelector('input'),note=box.querySelector('[role=status]');
const more=box.querySelector('.more'),heads=[...box.querySelectorAll('th')];
const texts=rows.map(r=>r.join(' ').toLowerCase());
let sorted=rows.map((_,i)=>i),column=-1,down=false,shown=STEP;
function cell(value,k){
 const td=document.createElement('td');
 if(columns[k].kind==='number'){td.className='number';
  td.textContent=columns[k].decimals?value.toFixed(columns[k].decimals):value;return td}
 const words=columns[k].kind==='list'?value.split(' '):[value];
 if(words.length<=LONG){td.textContent=words.join(columns[k].kind==='list'?', ':' ');return td}
 const fold=document.createElement('details'),head=document.createElement('summary');
 head.textContent=words.slice(0,LONG).join(', ')+' and '+(words.length-LONG)+' more';
 fold.append(head,words.slice(LONG).join(', '));td.append(fold);return td}
function draw(){
 const wanted=field.value.toLowerCase().split(/\\s+/).filter(Boolean);
 const hits=sorted.filter(i=>wanted.every(w=>texts[i].includes(w)));
 body.replaceChildren(...hits.slice(0,shown).map(i=>{
  const tr=document.createElement('tr');tr.append(...rows[i].map(cell));return tr}));
 more.hidden=hits.length<=shown;
 note.textContent=hits.length+' of '+rows.length+' rows'+(hits.length>shown?', first '+shown+' shown':'')}
heads.forEach((head,k)=>head.querySelector('button').addEventListener('click',()=>{
 down=column===k?!down:columns[k].kind==='number';column=k;shown=STEP;
 const sign=down?-1:1;
 sorted.sort((a,b)=>{const x=rows[a][k],y=rows[b][k];return sign*(x<y?-1:x>y?1:0)||a-b});
 heads.forEach((h,j)=>h.setAttribute('aria-sort',j===k?(down?'descending':'ascending'):'none'));draw()}));
field.addEventListener('input',()=>{shown=STEP;draw()});
more.addEventListener('click',()=>{const at=shown;shown+=STEP;draw();
 const row=body.children[at];if(row){row.tabIndex=-1;row.focus()}});
draw()})();
"""


def browse(frame: pd.DataFrame, name: str, caption: str, lists: tuple[str, ...] = ()) -> str:
    """HTML of a searchable, sortable table of `frame` under the id `name`.

    Columns named in `lists` hold words apart by spaces; long ones fold. Without scripts the first rows
    are there to read. Raises `ValueError` when the text is over `LIMIT` bytes.
    """
    columns = [{"name": column, **_kind(frame[column], column in lists)} for column in frame]
    rows = frame.replace("`", "", regex=True).to_dict("split")["data"]  # no Markdown is read here
    data = json.dumps({"columns": columns, "rows": rows}, separators=(",", ":"), ensure_ascii=False)
    data = re.sub("<(?=[!/a-zA-Z])", r"\\u003c", data)  # nothing in the data may end the script, or open one
    heads = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{html.escape(c)}</button></th>'
        for c in frame
    )
    first = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(v))}</td>" for v in row) + "</tr>" for row in rows[:SHOWN]
    )
    script = f"const ID={json.dumps(name)},STEP={SHOWN},LONG={LONG},DATA={data};{_SCRIPT}"
    text = (
        f'<div class="gcaf-browse" id="{html.escape(name)}"><style>{_STYLE}</style>'
        f'<div class="bar"><label>Search <input type="search" autocomplete="off" spellcheck="false" '
        f'aria-controls="{html.escape(name)}-table"></label><span role="status" aria-live="polite">'
        f"first {min(SHOWN, len(rows))} of {len(rows)} rows</span></div>"
        f'<table id="{html.escape(name)}-table"><caption>{tables.inline(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{first}</tbody></table>"
        f'<p><button type="button" class="more" hidden>Show more rows</button></p>'
        f"<script>{{{script}}}</script></div>"
    )
    if len(text.encode()) > LIMIT:
        raise ValueError(
            f"{name}: {len(text.encode())} bytes are too many for a page; leave rows or columns out"
        )
    return text


def _kind(column: pd.Series, is_list: bool) -> dict[str, object]:
    if pd.api.types.is_float_dtype(column):
        return {"kind": "number", "decimals": 4}
    return {"kind": "number" if pd.api.types.is_numeric_dtype(column) else "list" if is_list else "text"}


def show(frame: pd.DataFrame, name: str, caption: str, lists: tuple[str, ...] = ()) -> None:
    """Show `browse` in a notebook."""
    from IPython.display import display

    page = browse(frame, name, caption, lists)
    display({"text/html": page, "text/plain": f"<table of {len(frame)} rows>"}, raw=True)
