/* Check a split: which test images have a copy, or the same patient, in training. Plain script; the file stays in the page.
   The same answers as gcaf_lib/data/leaks.py (tests/test_page_tools.py holds both to them); groups.js holds the groups. */
'use strict';
const gcafSplit = (() => {
  const PARTS = {train: 'train training tr', validation: 'validation valid val dev', test: 'test testing te holdout'};
  const PART_OF = new Map(Object.entries(PARTS).flatMap(([part, all]) => all.split(' ').map(a => [a, part])));
  const FILES = ['sha256', 'hash', 'sha', 'file', 'filename', 'file_name', 'image', 'path', 'filepath', 'name', 'img', 'id'];
  const COLUMNS = ['part', 'split', 'set', 'subset', 'partition', 'phase'];
  const KINDS = ['bytes', 'copy', 'patient'], ELSEWHERE = 'not of this dataset', LARGEST = 50e6;
  const fail = text => { throw new Error(text) };
  let known;
  function groups() {  // by file name and by hash: [hash, class, picture, patient]
    if (!known) {
      known = {names: new Map(), hashes: new Map()};
      for (const line of gcafGroups.files.split('\n')) {
        const [name, hash, label, picture, patient] = line.split(' '), row = [hash, gcafGroups.classes[label], picture, patient];
        known.names.set(name.toLowerCase(), row); known.hashes.set(hash, row);
      }
    }
    return known;
  }
  function find(name) {
    const {names, hashes} = groups(), low = name.toLowerCase();
    if (/^[0-9a-f]{64}$/.test(low) && hashes.has(low.slice(0, 12))) return hashes.get(low.slice(0, 12));
    return names.get(low.replaceAll('\\', '/').split('/').at(-1)) || null;
  }
  function parse(text) {  // rows of {name, part, known}
    const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/), first = lines.find(l => l.trim());
    if (first === undefined) fail('it is empty: give a CSV of file names and parts');
    const mark = [',', ';', '\t'].reduce((best, m) => first.split(m).length > first.split(best).length ? m : best);
    const rows = lines.map((l, k) => [k + 1, gcafCells(l, mark)]).filter(([, row]) => row.some(c => c.trim())), head = rows[0][1];
    const plain = head.map(h => h.trim().toLowerCase().replace(/[\s\-]+/g, '_')), at = list => list.filter(x => plain.includes(x)).map(x => plain.indexOf(x));
    const part = at(COLUMNS)[0] ?? -1, named = at(FILES);
    if (part < 0 || !named.length) fail(`no column is called ${part < 0 ? 'part (train, validation, test)' : 'file (or sha256)'}: the first line reads \`${head.join(',').slice(0, 80)}\``);
    const files = rows.slice(1), hits = named.map(k => files.filter(([, row]) => row[k] && find(row[k].trim())).length);
    const best = named[hits.indexOf(Math.max(...hits))];
    const out = files.map(([line, row]) => {
      if (row.length <= Math.max(part, ...named)) fail(`line ${line} has ${row.length} cells, the first line ${head.length}`);
      const told = PART_OF.get(row[part].trim().toLowerCase());
      if (!told) fail(`line ${line}: part \`${row[part].slice(0, 40)}\` is none of train, validation, test`);
      const name = row[best].trim();
      return {name, part: told, known: find(name)};
    });
    if (!out.length) fail('there is no row below the first line');
    if (!out.some(r => r.known)) fail(`none of the ${out.length.toLocaleString('en')} files is of the Brain Tumor MRI Dataset (the first is \`${out[0].name.slice(0, 60)}\`): give names as Kaggle ships them, or SHA-256`);
    for (const name of ['train', 'test']) if (!out.some(r => r.part === name)) fail(`no file is in part ${name}: nothing can leak`);
    for (const name of ['train', 'test']) {
      const own = out.filter(r => r.part === name);
      if (!own.some(r => r.known)) fail(`none of the ${own.length.toLocaleString('en')} files in part ${name} is of the Brain Tumor MRI Dataset (the first is \`${own[0].name.slice(-60)}\`): what is a copy of what is known of that dataset alone`);
    }
    return out;
  }
  function count(rows) {  // per class, at last all: images, and of these with the same bytes, a copy, the patient in training
    const train = [0, 2, 3].map(i => new Set(rows.filter(r => r.part === 'train' && r.known).map(r => r.known[i]))), by = new Map();
    for (const r of rows.filter(r => r.part === 'test')) {
      const name = r.known ? r.known[1] : ELSEWHERE;
      if (!by.has(name)) by.set(name, {class: name, images: 0, bytes: 0, copy: 0, patient: 0});
      const line = by.get(name); let before = false;
      line.images++;
      KINDS.forEach((kind, k) => { before ||= Boolean(r.known) && train[k].has(r.known[[0, 2, 3][k]]); line[kind] += before });
    }
    const lines = [...by.values()].sort((a, b) => a.class < b.class ? -1 : 1), all = {class: 'all', images: 0, bytes: 0, copy: 0, patient: 0};
    for (const line of lines) for (const key of ['images', ...KINDS]) all[key] += line[key];
    return [...lines, all];
  }
  return {parse, count, unknown: rows => rows.filter(r => !r.known).map(r => r.name), LARGEST};
})();

if (typeof document !== 'undefined') document.addEventListener('DOMContentLoaded', () => {
  const box = document.getElementById('gcaf-split');
  if (!box) return;
  const field = box.querySelector('input[type=file]'), drop = box.querySelector('.gcaf-drop'), answer = box.querySelector('[role=status]');
  const make = (tag, text, style) => { const e = document.createElement(tag); e.textContent = text; if (style) e.className = style; return e };
  const share = (n, of) => `${n.toLocaleString('en')} of ${of.toLocaleString('en')} (${(100 * n / of).toFixed(1)}\u00a0%)`;
  function show(rows) {
    const lines = gcafSplit.count(rows), all = lines.at(-1), rest = gcafSplit.unknown(rows), out = [];
    out.push(all.patient
      ? make('p', `${share(all.copy, all.images)} test images have a copy in training, ${share(all.patient, all.images)} a copy or a slice of the same patient.`, 'gcaf-answer gcaf-bad')
      : make('p', `No copy, and no slice of a known patient, stands on both sides: none of ${rows.filter(r => r.part === 'test' && r.known).length.toLocaleString('en')} test images${rest.length ? ' of the dataset' : ''} is known to training.`, 'gcaf-answer gcaf-good'));
    if (rest.length) out.push(make('p', `${rest.length.toLocaleString('en')} files are not of the Brain Tumor MRI Dataset (the first: ${rest[0]}): whether these are copies is not known.`));
    const frame = make('div', '', 'gcaf-scroll'), table = document.createElement('table'), head = table.createTHead().insertRow(), body = table.createTBody();
    frame.tabIndex = 0; frame.setAttribute('role', 'group'); frame.setAttribute('aria-label', 'test images by class');
    table.createCaption().textContent = 'Test images, and how many of them training knows: each column holds the one before';
    for (const text of ['class', 'test images', 'same bytes', 'a copy', 'same patient']) { const th = make('th', text); th.scope = 'col'; head.append(th) }
    for (const line of lines) {
      const tr = body.insertRow(), th = make('th', line.class); th.scope = 'row';
      tr.append(th, ...['images', 'bytes', 'copy', 'patient'].map(k => make('td', line[k].toLocaleString('en'))));
    }
    frame.append(table); out.push(frame); answer.replaceChildren(...out);
  }
  async function take(file) {
    if (!file) return;
    try {
      if (file.size > gcafSplit.LARGEST) throw new Error(`it has ${file.size.toLocaleString('en')} bytes: give a CSV of file names and parts`);
      show(gcafSplit.parse(await file.text()));
      field.removeAttribute('aria-invalid');
    } catch (error) {
      answer.replaceChildren(make('p', `${file.name}: ${error.message}.`, 'gcaf-answer gcaf-bad'));
      field.setAttribute('aria-invalid', 'true');
    }
  }
  field.addEventListener('change', () => take(field.files[0]));
  for (const kind of ['dragover', 'drop']) drop.addEventListener(kind, event => { event.preventDefault(); if (kind === 'drop') take(event.dataTransfer.files[0]) });
});
