// The demo's page without this script shows the same, as it was when loaded.
"use strict";
{
	const life = document.getElementById("life");
	const seen = document.getElementById("trouble-seen");
	const set = (id, text) => { document.getElementById(id).textContent = text; };
	let ends = 0, renewed = 0, fingerprint = "";

	const tick = () => {
		const left = Math.max(0, Math.round((ends - Date.now()) / 1000));
		set("left", left);
		life.querySelector("i").style.width = Math.min(100, (100 * left) / life.dataset.life) + "%";
	};

	const show = (token) => {
		if (fingerprint && token.fingerprint !== fingerprint) {
			renewed++;
			set("renewed", `Renewed ${renewed} ${renewed === 1 ? "time" : "times"} while you watched.`);
		}
		fingerprint = token.fingerprint;
		ends = Date.now() + 1000 * token.seconds_left;
		set("number", token.number);
		set("fingerprint", token.fingerprint);
		tick();
	};

	const say = (text) => {
		seen.textContent = text;
		seen.hidden = !text;
	};

	const look = async () => {
		try {
			const answer = await fetch("/api/me", { headers: { accept: "application/json" } });
			const body = await answer.json();
			if (answer.ok) {
				show(body.token);
				say("");
			} else {
				say(answer.status === 401
					? `The gateway answers 401, ${body.reason}: the session is over. Open any page to sign in again.`
					: `The gateway answers ${answer.status}, ${body.reason}: you are still signed in. It tries again by itself.`);
			}
		} catch {
			say("The gateway does not answer. Is the demo still running?");
		}
	};

	const state = (active) => {
		for (const button of document.querySelectorAll("[data-trouble]"))
			button.setAttribute("aria-pressed", active.includes(button.dataset.trouble));
		set("trouble-state", active.length ? "OSC is broken as marked." : "OSC is in order.");
	};

	const ask = async (path, options) => {
		try { state(await (await fetch(path, options)).json()); } catch { /* told above */ }
	};

	for (const button of document.querySelectorAll("[data-trouble]"))
		button.form.addEventListener("submit", async (event) => {
			event.preventDefault();
			await ask(event.target.action, { method: "POST" });
			if (button.dataset.trouble === "expire") set("trouble-state", "Done: OSC knows none of the tokens it gave out.");
			if (button.dataset.trouble === "revoke") set("trouble-state", "Done: no session can be renewed any more.");
		});

	ask("/demo/trouble");
	setInterval(() => ask("/demo/trouble"), 5000);
	if (life) {
		show({ fingerprint: life.dataset.fingerprint, number: life.dataset.number, seconds_left: Number(life.dataset.left) });
		setInterval(tick, 250);
		if (!life.dataset.service) setInterval(look, 1000);
	}
}
