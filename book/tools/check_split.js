/* Check a split: which test images have a copy, or the same patient, in training. Plain script; the file stays in the page.
   The same answers as gcaf_lib/data/leaks.py (tests/test_page_tools.py holds both to them); groups.js holds the groups, and
   the first 12 digits of each hash, by which hashes are told here. */
'use strict';
const gcafSplit = (() => {
  const PARTS = {train: 'train training tr', validation: 'validation valid val dev', test: 'test testing te holdout'};
  const PART_OF = new Map(Object.entries(PARTS).flatMap(([part, all]) => all.split(' ').map(a => [a, part])));
  const FILES = ['sha256', 'hash', 'sha', 'sha_256', 'file', 'filename', 'file_name', 'image', 'path', 'filepath', 'name', 'img', 'id', 'files', 'filenames',
    'images', 'paths', 'filepaths', 'file_path', 'image_path', 'image_name', 'image_id', 'img_path', 'img_name'];
  const COLUMNS = ['part', 'split', 'set', 'subset', 'partition', 'phase'];
  const KINDS = {bytes: 0, copy: 2, patient: 3, person: 4}, UNKNOWN = 'not recognised', LARGEST = 50e6;
  const PLACES = {train: 'training', validation: 'validation', test: 'test'};
  const CHECKS = {test: ['train', 'test'], validation: ['train', 'validation'], test_in_validation: ['validation', 'test']};
  const ENDING = /(\.(jpg|jpeg|jpe|png|bmp|tiff?|webp|gif|avif|jp2|p[gpn]m|dcm|dicom|ima|nii|nii\.gz|np[yz]))+$/;
  const many = (n, thing) => `${n.toLocaleString('en')} ${thing}${n === 1 ? '' : 's'}`, tenths = (n, of) => Math.floor((2000 * n + of) / (2 * of));
  const share = (n, of) => `${Math.floor(tenths(n, of) / 10)}.${tenths(n, of) % 10}%`;
  const stem = name => name.toLowerCase().replaceAll('\\', '/').split('/').at(-1).replace(ENDING, '');
  const fail = text => { throw new Error(text) };
  let known;
  function groups() {  // by file name and by hash: [hash, class, picture, patient, person]
    if (!known) {
      known = {names: new Map(), hashes: new Map()};
      for (const line of gcafGroups.files.split('\n')) {
        const [name, hash, label, picture, patient, person = patient] = line.split(' '), row = [hash, gcafGroups.classes[label], picture, patient, person];
        known.names.set(stem(name), row); known.hashes.set(hash, row);
      }
    }
    return known;
  }
  function find(name) {
    const {names, hashes} = groups(), low = name.toLowerCase();
    if (/^[0-9a-f]{64}$/.test(low) && hashes.has(low.slice(0, 12))) return hashes.get(low.slice(0, 12));
    return names.get(stem(name)) || null;
  }
  function parse(text) {  // rows of {name, part, known}
    const all = gcafPlain(text), first = all.split(/[\r\n]/).find(l => l.trim());
    if (first === undefined) fail('it is empty: give a CSV of file names and parts');
    const mark = [',', ';', '\t'].reduce((best, m) => first.split(m).length > first.split(best).length ? m : best);
    let rows = gcafRows(all, mark).filter(([, row]) => row.some(c => c.trim()));
    if (rows[0]?.[1].length === 2 && rows[0][1].join('') === 'sep=') rows = rows.slice(1);
    if (!rows.length) fail('it is empty: give a CSV of file names and parts');
    const head = rows[0][1];
    const plain = head.map(h => h.trim().toLowerCase().replace(/[\s\-]+/g, '_')), at = list => list.filter(x => plain.includes(x)).map(x => plain.indexOf(x));
    const part = at(COLUMNS)[0] ?? -1, named = at(FILES);
    if (part < 0 || !named.length) fail(`no column is called ${part < 0 ? 'part (or split, set, subset, partition, phase)' : 'file (or filename, path, image, name, id, sha256)'}: the first line reads \`${gcafCut(head.join(','), 80)}\`${plain.includes('fold') ? '; of folds, write test for one and train for the others' : ''}`);
    const files = rows.slice(1), hits = named.map(k => files.filter(([, row]) => row[k] && find(row[k].trim())).length);
    const best = named[hits.indexOf(Math.max(...hits))];
    const out = files.map(([line, row]) => {
      if (row.length <= Math.max(part, ...named)) fail(`line ${line} has ${row.length} cells, the first line ${head.length}`);
      const told = PART_OF.get(row[part].trim().toLowerCase());
      if (!told) fail(`line ${line}: part \`${gcafCut(row[part].trim(), 40)}\` is none of train, validation, test`);
      const name = [best, ...named].map(k => row[k].trim()).find(cell => cell);  // files without a name would all be the same one
      if (!name) fail(`line ${line} names no file`);
      return {name, part: told, known: find(name)};
    });
    if (!out.length) fail('there is no row below the first line');
    if (!out.some(r => r.known)) fail(`of ${many(out.length, 'file')} none is of the Brain Tumor MRI Dataset (the first is \`${gcafCut(out[0].name, 60)}\`): give names as Kaggle ships them, or SHA-256`);
    for (const name of ['train', 'test']) if (!out.some(r => r.part === name)) fail(`no file is in part ${name}: nothing can leak`);
    for (const name of ['train', 'test']) {
      const own = out.filter(r => r.part === name);
      if (!own.some(r => r.known)) fail(`of ${many(own.length, 'file')} for ${PLACES[name]} none is of the Brain Tumor MRI Dataset (the first is \`${own[0].name.slice(-60)}\`): copies can be told only among its images, so check that these are the right ones`);
    }
    return out;
  }
  function count(rows, there = 'train', asked = 'test') {  // per class, at last all: images asked, and of these with the same bytes, a copy, the patient there
    const of = (r, at) => r.known ? r.known[at] : at ? undefined : r.name;  // a file that is not known is itself all the same
    const left = Object.values(KINDS).map(at => new Set(rows.filter(r => r.part === there).map(r => of(r, at)).filter(x => x !== undefined))), by = new Map();
    for (const r of rows.filter(r => r.part === asked)) {
      const name = r.known ? r.known[1] : UNKNOWN;
      if (!by.has(name)) by.set(name, {class: name, images: 0, bytes: 0, copy: 0, patient: 0, person: 0});
      const line = by.get(name); let before = false;
      line.images++;
      Object.entries(KINDS).forEach(([kind, at], k) => { before ||= left[k].has(of(r, at)); line[kind] += before });
    }
    const lines = [...by.values()].sort((a, b) => a.class < b.class ? -1 : 1), all = {class: 'all', images: 0, bytes: 0, copy: 0, patient: 0, person: 0};
    for (const line of lines) for (const key of ['images', ...Object.keys(KINDS)]) all[key] += line[key];
    return [...lines, all];
  }
  const unknown = rows => rows.filter(r => !r.known).map(r => r.name);
  function counts(rows) {  // of each of CHECKS whose parts the split has
    const there = new Set(rows.map(r => r.part));
    return Object.fromEntries(Object.entries(CHECKS).filter(([, parts]) => parts.every(p => there.has(p))).map(([name, parts]) => [name, count(rows, ...parts)]));
  }
  function sentence(all, rows, there, asked, rest) {  // of the last line of a count; none where it is of no image that is recognised
    const [patient, person] = [all.patient, all.person].map(n => `${n.toLocaleString('en')} (${share(n, all.images)})`), more = all.person > all.patient;
    if (all.patient) return `${all.copy.toLocaleString('en')} of ${many(all.images, `${asked} image`)} (${share(all.copy, all.images)}) ${all.copy === 1 ? 'has' : 'have'} `
      + `a copy in ${PLACES[there]}, ${patient} a copy or a slice of the same patient${more ? `, ${person} with persons told by eye` : ''}.`;
    const judged = part => rows.filter(r => r.part === part && r.known).length;
    if (!judged(there) || !judged(asked)) return '';
    const images = many(judged(asked), `${asked} image`);
    return `${rest ? `Of the ${images} recognised` : `Of ${images}`} none has a copy, or a slice of a known patient, in ${PLACES[there]}`
      + `${more ? `; ${person} ${all.person === 1 ? 'shows' : 'show'} a person who by eye is there too` : ''}.`;
  }
  function said(found, rows) {  // [text, whether it is of something known] of what the counts say
    const rest = unknown(rows), out = Object.entries(found).map(([name, lines]) => [sentence(lines.at(-1), rows, ...CHECKS[name], rest.length > 0), lines.at(-1).person > 0]);
    const parts = new Map();  // of files that are listed more than once
    for (const r of rows) (parts.get(r.name) ?? parts.set(r.name, []).get(r.name)).push(r.part);
    const twice = [...parts].filter(([, p]) => p.length > 1);
    if (twice.length) out.push([`Listed more than once, and counted each time: ${many(twice.length, 'file')} (the first: ${twice[0][0]}), ${twice.filter(([, p]) => new Set(p).size > 1).length.toLocaleString('en')} of them in two parts.`, null]);
    if (rest.length) out.push([`Not recognised as images of the Brain Tumor MRI Dataset: ${many(rest.length, 'file')} (the first: ${rest[0]}). Whether such are copies is not known.`, null]);
    return out.filter(([text]) => text);
  }
  return {parse, count, counts, said, unknown, LARGEST};
})();

if (typeof document !== 'undefined') document.addEventListener('DOMContentLoaded', () => {
  const box = document.getElementById('gcaf-split');
  if (!box) return;
  const field = box.querySelector('input[type=file]'), drop = box.querySelector('.gcaf-drop'), answer = box.querySelector('[role=status]');
  const make = (tag, text, style) => { const e = document.createElement(tag); e.textContent = text; if (style) e.className = style; return e };
  function show(rows) {
    const found = gcafSplit.counts(rows), lines = found.test;
    const out = gcafSplit.said(found, rows).map(([text, bad]) => make('p', text, bad === null ? '' : `gcaf-answer gcaf-${bad ? 'bad' : 'good'}`));
    const frame = make('div', '', 'gcaf-scroll'), table = document.createElement('table'), head = table.createTHead().insertRow(), body = table.createTBody();
    frame.tabIndex = 0; frame.setAttribute('role', 'group'); frame.setAttribute('aria-label', 'test images by class');
    table.createCaption().textContent = 'Test images, and how many of them training knows: each column holds the one before';
    for (const text of ['class', 'test images', 'same bytes', 'a copy', 'a copy or same patient', 'or same person, by eye']) { const th = make('th', text); th.scope = 'col'; head.append(th) }
    for (const line of lines) {
      const tr = body.insertRow(), th = make('th', line.class); th.scope = 'row';
      tr.append(th, ...['images', 'bytes', 'copy', 'patient', 'person'].map(k => make('td', line[k].toLocaleString('en'))));
    }
    frame.append(table); out.push(frame); answer.replaceChildren(...out);
  }
  async function take(file) {
    if (!file) return;
    try {
      if (file.size > gcafSplit.LARGEST) throw new Error(`it has ${file.size.toLocaleString('en')} bytes: give a CSV of file names and parts`);
      show(gcafSplit.parse(gcafText(await file.arrayBuffer())));
      field.removeAttribute('aria-invalid');
    } catch (error) {
      answer.replaceChildren(make('p', `${file.name}: ${error.message}.`, 'gcaf-answer gcaf-bad'));
      field.setAttribute('aria-invalid', 'true');
    }
  }
  field.addEventListener('change', () => take(field.files[0]));
  for (const kind of ['dragover', 'drop']) drop.addEventListener(kind, event => { event.preventDefault(); if (kind === 'drop') take(event.dataTransfer.files[0]) });
});
