'use strict';

const at = id => document.getElementById(id);
let user; // whose data the page shows

addEventListener('osc-session', ({ detail }) => {
  switch (detail.type) {
    case 'session':
      show(detail);
      break;
    case 'expiring':
      at('notice').textContent = `You will be signed out at ${new Date(detail.idle_expires_at).toLocaleTimeString()}, unless you go on.`;
      break;
    case 'ended': // unless prevented, and unless something typed would be lost, the tab goes to sign in
      if (detail.unsaved) at('notice').textContent = 'Your session has ended. Copy what you typed, then sign in again.';
      show(detail);
  }
});

function show(session) {
  if (user && session.signed_in && session.user !== user) return location.reload(); // somebody else, in another tab
  if (session.signed_in) at('notice').textContent = '';
  at('who').textContent = session.signed_in ? `${session.user}, ${session.tenant}` : 'Signed out';
  at('signin').hidden = session.signed_in;
  at('signout').hidden = !session.signed_in;
  if (session.signed_in && session.user !== user) load();
  user = session.user || user;
}

async function load() {
  const answer = await oscSession.fetch('/osc/catalog/mysubscriptions');
  if (answer.status === 401) return; // "ended" was told
  if (!answer.ok) {
    at('notice').textContent = 'Your services cannot be read right now.';
    return;
  }
  const services = await answer.json();
  at('services').replaceChildren(...services.map(({ serviceId }) => Object.assign(document.createElement('li'), { textContent: serviceId })));
}

at('signin').onclick = () => oscSession.signIn();
at('signout').onclick = () => oscSession.signOut().catch(() => { at('notice').textContent = 'That did not work. Try again.'; });
