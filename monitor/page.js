"use strict";

// What comes from the server is shown as text, and never parsed as HTML.

const $ = (id) => document.getElementById(id);
const minutes = 5; // that the lines show
let source, look, key = 0, past = [], heard = 0;

// make returns an element with a class and a text; put sets a text only if it is another, so that nothing is selected anew.
function make(name, cls, text) {
	const e = document.createElement(name);
	if (cls) e.className = cls;
	if (text !== undefined) e.textContent = text;
	return e;
}

function put(e, text, bad) {
	if (e.textContent !== text) e.textContent = text;
	e.classList.toggle("bad", !!bad);
}

const whole = (n) => n >= 2 ** 53 ? "unbounded" : n.toLocaleString("en");

function rate(n) {
	if (n === null) return "–";
	return n === 0 ? "0" : n < 10 ? n.toPrecision(2) : Math.round(n).toLocaleString("en");
}

function time(s) {
	if (s === null) return "–";
	if (s > 0 && s < 1) return s < 1e-6 ? Math.ceil(s * 1e9) + " ns" : s < 1e-3 ? Math.ceil(s * 1e6) + " µs" : Math.ceil(s * 1e3) + " ms";
	s = Math.floor(s);
	if (s < 60) return s + " s";
	if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
	if (s < 86400) return Math.floor(s / 3600) + " h " + (Math.floor(s / 60) % 60) + " min";
	return s < 1e10 ? Math.floor(s / 86400) + " d " + (Math.floor(s / 3600) % 24) + " h" : "ages";
}

// isFull is exact but for the tasks that workers have claimed and not begun.
const isFull = (p) => p.queued > 0 && p.queued >= 0.95 * p.capacity;

// state returns what a pool's row says in a few words, and whether that is bad.
function state(p) {
	if (p.trouble) return ["cannot be looked at", true];
	const bad = [];
	if (p.failing) bad.push("failing");
	if (p.unsaved) bad.push("unsaved");
	if (p.stuck) bad.push(whole(p.stuck) + " stuck");
	if (isFull(p)) bad.push("full");
	if (bad.length > 0) return [bad.join(", "), true];
	if (p.workers === 0) return ["no workers", false];
	return [p.running || p.queued ? "busy" : "idle", false];
}

// ---- all pools

const rows = new Map();

function showRows() {
	const want = $("find").querySelector("input").value.toLowerCase();
	const seen = new Set();
	for (const p of look.pools) {
		seen.add(p.key);
		let r = rows.get(p.key);
		if (!r) {
			r = make("tr");
			const link = make("a", "", p.name);
			link.href = "#" + p.key;
			link.title = p.name;
			r.append(make("td"));
			r.firstChild.append(link);
			for (let i = 0; i < 8; i++) r.append(make("td"));
			r.onclick = () => { location.hash = p.key; };
			rows.set(p.key, r);
			$("rows").append(r);
		}
		r.hidden = !p.name.toLowerCase().includes(want);
		r.classList.toggle("picked", p.key === key);
		if (p.key === key) r.setAttribute("aria-current", "true"); else r.removeAttribute("aria-current");
		const [word, bad] = state(p);
		const cells = [...r.children].slice(1);
		const texts = p.trouble ? Array(7).fill("–") : [whole(p.queued), whole(p.running), rate(p.perSecond), rate(p.failuresPerSecond),
			p.queued ? time(p.oldestSeconds) : "–", whole(p.refused), whole(p.unsaved)];
		put(cells[0], word, bad);
		texts.forEach((text, i) => put(cells[i + 1], text, i === 3 && p.failuresPerSecond > 0 || i === 6 && p.unsaved > 0));
	}
	for (const [k, r] of rows) if (!seen.has(k)) { r.remove(); rows.delete(k); }
	$("none").hidden = look.pools.length > 0;
	$("find").hidden = look.pools.length < 2;
}

// ---- one pool

function number(name, value, small, bad) {
	let box = document.querySelector(`#numbers [data-name="${name}"]`);
	if (!box) {
		box = make("div");
		box.dataset.name = name;
		box.append(make("dt", "", name), make("dd"));
		box.lastChild.append(make("span"), make("small"));
		$("numbers").append(box);
	}
	box.hidden = value === null;
	if (value === null) return;
	put(box.lastChild.firstChild, value);
	put(box.lastChild.lastChild, small);
	box.lastChild.classList.toggle("bad", !!bad);
}

function showNumbers(p) {
	const n = (v) => p.trouble ? "–" : whole(v);
	number("queued", n(p.queued), "of " + n(p.capacity), isFull(p));
	number("running", n(p.running), "on " + n(p.workers) + " workers");
	number("ended per second", rate(p.perSecond), n(p.succeeded) + " have succeeded so far");
	number("failures per second", rate(p.failuresPerSecond), `${n(p.failed)} failed and ${n(p.panicked)} panicked so far`, p.failuresPerSecond > 0);
	number("oldest waiting", p.queued ? time(p.oldestSeconds) : "none", p.oldest && "task " + p.oldest);
	number("time to drain", p.queued && p.drainSeconds === null && p.perSecond !== null ? "never" : time(p.drainSeconds), "if nothing is added");
	number("refused", n(p.refused), "so far: the queue was full");
	number("not run", n(p.notRun), "cancelled, of " + n(p.submitted) + " submitted");
	number("unsaved", n(p.unsaved), "results", p.unsaved > 0);
	number("run time", p.ran ? "< " + time(p.ran.mostUnder) : p.errors ? "–" : "not known",
		p.ran ? "99 % of those that ended; half < " + time(p.ran.halfUnder) : p.errors ? "" : "the pool has no Hooks of this monitor");
	number("shared queue", !p.shared ? null : p.shared.tasks === null ? "not known" : whole(p.shared.tasks), p.shared && p.shared.error || "tasks, or messages, of all", p.shared && p.shared.error);
	const alarms = [];
	if (p.trouble) alarms.push("This pool cannot be looked at: " + p.trouble);
	if (p.failing) alarms.push("The store or the engine has not worked for " + time(p.failing.seconds) + ". Its last error: " + p.failing.error);
	$("alarm").hidden = alarms.length === 0;
	put($("alarm"), alarms.join("\n"), true);
}

function fill(table, lines) {
	const old = [...table.rows];
	lines.forEach((cells, i) => {
		const tr = old[i] || table.insertRow();
		while (tr.cells.length > cells.length) tr.lastChild.remove();
		cells.forEach(([text, bad], j) => put(tr.cells[j] || tr.insertCell(), text, bad));
	});
	old.slice(lines.length).forEach((tr) => tr.remove());
}

function showLists(p) {
	fill($("running"), p.longestRunning.length === 0 ? [[["none runs"]]] :
		p.longestRunning.map((r) => [["task " + r.id], [r.seconds < 1 ? "< 1 s" : time(r.seconds), r.stuck], [r.stuck ? "stuck" : "", true]]));
	fill($("errors"), p.errors === null ? [[["not known: the pool has no Hooks of this monitor"]]] : p.errors.length === 0 ? [[["none"]]] :
		p.errors.map((e) => [[e.kind], [whole(e.count) + " ×"], [time(e.lastSeconds) + " ago"], ["task " + e.lastID]]));
}

// ---- lines

const svg = (name, attributes) => {
	const e = document.createElementNS("http://www.w3.org/2000/svg", name);
	for (const a in attributes) e.setAttribute(a, attributes[a]);
	return e;
};

// draw makes or changes a figure of two lines, on one scale or each on its own. Each point is [seconds, first, second]; where
// looks are missing, so is the line.
function draw(i, title, names, points, show, apart) {
	let f = $("lines").children[i];
	if (!f) {
		f = make("figure");
		const caption = make("figcaption", "", "");
		caption.append(make("span", "", title), make("span", "first"), make("span", "second"));
		const s = svg("svg", { viewBox: "0 0 600 100", preserveAspectRatio: "none", role: "img" });
		s.append(svg("path", { class: "first" }), svg("path", { class: "second" }));
		const axis = make("p");
		axis.append(make("span", "", minutes + " minutes ago"), make("span"), make("span", "", "now"));
		f.append(caption, s, axis);
		$("lines").append(f);
	}
	const top = [1, 2].map((k) => Math.max(...points.flatMap((p) => apart ? p[k] : [p[1], p[2]]), 0));
	const last = points[points.length - 1];
	const [caption, s, axis] = f.children;
	[1, 2].forEach((k) => {
		let d = "", before = null;
		for (const p of points) {
			const x = 600 - (look.at - p[0]) / (minutes * 60) * 600;
			if (x < 0) continue;
			d += (before === null || p[0] - before > gap() ? "M" : "L") + x.toFixed(1) + " " + (98 - p[k] / (top[k - 1] || 1) * 94).toFixed(1);
			before = p[0];
		}
		s.children[k - 1].setAttribute("d", d);
		const span = caption.children[k];
		const now = last ? show(last[k]) : "–";
		span.replaceChildren(make("b", "", k === 1 ? "━ " : "╍ "), names[k - 1] + " " + now);
	});
	s.setAttribute("aria-label", caption.textContent);
	put(axis.children[1], "top: " + show(top[0]) + (apart ? ` ${names[0]}, ${show(top[1])} ${names[1]}` : ""));
}

// gap is the pause between two looks after which the line has a hole. Who scrapes /metrics looks as well, every 15 or 60 seconds.
const gap = () => Math.max(65, 3 * look.everySeconds);

function showLines() {
	const rates = [];
	for (let i = 1; i < past.length; i++) {
		const s = past[i][0] - past[i - 1][0];
		if (s > 0 && s <= gap()) rates.push([past[i][0], Math.max(0, past[i][1] - past[i - 1][1]) / s, Math.max(0, past[i][2] - past[i - 1][2]) / s]);
	}
	draw(0, "per second:", ["ended", "failed or panicked"], rates, rate);
	draw(1, "tasks:", ["queued", "running"], past.map((p) => [p[0], p[3], p[4]]), whole, true);
}

// ---- events

function show() {
	showRows();
	const p = look.pool;
	$("one").hidden = !p;
	if (p) {
		put($("name"), p.name);
		showNumbers(p);
		showLists(p);
		showLines();
	}
	document.title = (look.pools.some((q) => state(q)[1]) ? "(!) " : "") + "Pools";
}

function connect() {
	if (source) source.close();
	past = [];
	source = new EventSource("events" + (key ? "?pool=" + key : ""));
	source.addEventListener("look", (event) => {
		look = JSON.parse(event.data);
		heard = Date.now();
		const p = look.pool;
		if (p && (!key || p.key === key)) {
			key = p.key;
			if (p.past) past = p.past;
			else if (!p.trouble) past.push([look.at, p.succeeded + p.failed + p.panicked, p.failed + p.panicked, p.queued, p.running]);
			past = past.filter((q) => look.at - q[0] <= minutes * 60 + gap());
		} else if (key) { // it was removed
			key = 0;
			connect();
			return;
		}
		show();
	});
	source.onerror = () => { // a browser tries again on its own, unless the answer was an error
		if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
	};
}

// The state of the connection is shown also when nothing comes.
setInterval(() => {
	const s = (Date.now() - heard) / 1000;
	const late = heard > 0 && s > 3 * look.everySeconds + 2;
	const panics = look && look.onStuckPanics ? `; OnStuck has panicked ${look.onStuckPanics} times` : "";
	put($("state"), heard === 0 ? "connecting …" : late ? "no news for " + time(s) + ": these numbers are old" : "live" + panics, late || panics);
}, 500);

addEventListener("hashchange", () => {
	const k = Number(location.hash.slice(1)) || 0;
	if (k === key) return;
	key = k;
	connect();
});

addEventListener("keydown", (event) => {
	const input = $("find").querySelector("input");
	if (event.ctrlKey || event.metaKey || event.altKey || !look) return;
	if (event.key === "/" && event.target !== input) {
		event.preventDefault();
		input.focus();
	} else if (event.key === "Escape" && event.target === input) {
		input.value = "";
		input.blur();
		showRows();
	} else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
		const shown = look.pools.filter((p) => !rows.get(p.key).hidden);
		const at = shown.findIndex((p) => p.key === key);
		const next = shown[event.key === "ArrowDown" ? Math.min(at + 1, shown.length - 1) : Math.max(at - 1, 0)];
		if (!next || next.key === key) return;
		event.preventDefault();
		location.hash = next.key;
		rows.get(next.key).querySelector("a").scrollIntoView({ block: "nearest" });
	}
});

$("find").oninput = () => look && showRows();
key = Number(location.hash.slice(1)) || 0;
connect();
