"use strict";
(function () {
	var link = document.getElementById("leave");
	var value = encodeURIComponent(location.hash);
	if (value && value.length <= Number(link.dataset.limit)) {
		document.cookie = link.dataset.cookie + "=" + value + link.dataset.attributes;
	}
	location.replace(link.href);
})();
