// Reasons: script.go; use: docs/single-page-apps.md
(() => {
	'use strict';
	if (window.oscSession) return;
	const base = new URL('.', document.currentScript.src).href, name = 'osc-session ' + base, typed = new Set();
	let current = null, source, channel, release, retry, turn, ending, owed, known;
	const ready = new Promise(done => { known = done; });

	const mix = (...all) => Object.assign({}, ...all);
	const emit = (type, data, cancelable) => dispatchEvent(
		new CustomEvent('osc-session', { cancelable, detail: mix({ type }, data) }));
	const unsaved = () => [...typed].some(e => e.isConnected && (e.isContentEditable ? e.textContent : e.value));

	function leave(reason) {
		owed = document.hidden;
		if (owed || unsaved() || Date.now() - sessionStorage.getItem(name) < 60000) return;
		sessionStorage.setItem(name, Date.now());
		reason ? api.signIn() : location.assign(base + 'signed-out');
	}

	const ask = () => fetch(base + 'session').then(r => {
		if (!r.ok) throw r.status;
		return r.json();
	});

	function set(type, data) {
		if (!data.signed_in && (owed || current && current.signed_in)) return end(data);
		const isNew = JSON.stringify(data) !== JSON.stringify(current);
		current = data;
		if (data.signed_in) owed = false;
		if (isNew || type !== 'session') emit(type, data);
		known(data);
	}

	function end(data) {
		ending = ending || new Promise(done => setTimeout(done, 1000)).then(ask).then(now => {
			if (now.signed_in) return start();
			known(current = mix(data, now));
			if (owed || emit('ended', mix({ unsaved: unsaved() }, current), true)) leave(now.reason);
		}).catch(() => { setTimeout(end, 5000, data); }).then(() => { ending = null; });
	}

	function hear(message) {
		const data = mix(message);
		delete data.type;
		message.type === 'ended' ? end(data) : set(message.type, data);
	}

	function listen() {
		source = new EventSource(base + 'events');
		for (const type of ['session', 'refreshed', 'expiring', 'ended'])
			source.addEventListener(type, e => {
				const message = JSON.parse(e.data);
				if (!message.signed_in) source.close();
				if (channel) channel.postMessage(message);
				hear(message);
			});
		source.onerror = () => {
			if (source.readyState === 2) retry = setTimeout(listen, 5000 + 5000 * Math.random());
		};
	}

	function lead(steal) {
		if (!navigator.locks) return listen();
		const mine = turn = {};
		navigator.locks.request(name, { steal }, () => turn === mine && new Promise(done => {
			release = done;
			listen();
		})).catch(() => { if (turn === mine) { stop(true); lead(false); } });
	}

	function stop(hears) {
		clearTimeout(retry);
		if (source) source.close();
		if (release) release();
		if (channel && !hears) channel = channel.close();
		turn = source = release = null;
	}

	function start() {
		stop();
		if (window.BroadcastChannel) {
			channel = new BroadcastChannel(name);
			channel.onmessage = e => hear(e.data);
		}
		lead(true);
		ask().then(now => set('session', now)).catch(() => {});
	}

	const api = window.oscSession = {
		get current() { return current; },
		ready,
		signIn(to) {
			location.assign(base + 'signin?return_to=' + encodeURIComponent(to || location.href.slice(location.origin.length)));
		},
		async signOut() {
			const r = await fetch(base + 'signout', { method: 'POST' });
			if (!r.ok) throw new Error(r.status);
			stop();
			location.assign(r.url);
		},
		async fetch(input, init) {
			const r = await fetch(input, init);
			if (r.status === 401 && /^application\/problem\+json/.test(r.headers.get('Content-Type')))
				r.clone().json().then(p => {
					if (new URL(p.signin_url, r.url).href.startsWith(base + 'signin')) end({ signed_in: false, reason: p.reason });
				}).catch(() => {});
			return r;
		},
	};

	addEventListener('input', e => { if (e.isTrusted && e.target.type !== 'search') typed.add(e.composedPath()[0]); }, true);
	addEventListener('pagehide', () => stop());
	addEventListener('pageshow', e => { if (e.persisted) start(); });
	document.addEventListener('visibilitychange', () => { if (!document.hidden) start(); });
	start();
})();
