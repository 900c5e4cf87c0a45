/** VitePress's own theme, with two parts of ours; fonts are the reader's. */

import { useRoute } from "vitepress";
import DefaultTheme from "vitepress/theme-without-fonts";
import { nextTick, onMounted, watch } from "vue";
import AttentionTable from "./attention-table.vue";
import LiveWorld from "./live-world.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component("AttentionTable", AttentionTable);
    app.component("LiveWorld", LiveWorld);
  },
  setup() {
    // The front page comes without a landmark for what is its main part.
    const mark = () => document.querySelector(".VPHome")?.setAttribute("role", "main");
    const route = useRoute();
    onMounted(mark);
    watch(
      () => route.path,
      () => nextTick(mark),
    );
  },
} satisfies import("vitepress").Theme;
