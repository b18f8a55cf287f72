"""A daemon that asks for a token."""

import pathlib

from selenium.webdriver.common.by import By

from browser import Case


class SigningIn(Case):
    def sign_in(self, token):
        field = self.until("the field", lambda: self.browser.find_element(By.ID, "token"))
        field.clear()
        field.send_keys(token)
        self.press("Sign in")

    def test_a_token_opens_the_page_and_a_wrong_one_is_told(self):
        self.refusals = 200
        token = (pathlib.Path(self.folder) / "token").read_text().strip()
        self.browser.get(f"{self.url}/#/")
        self.until("what is needed", lambda: "this needs a token" in self.text("main"))
        self.sign_in("rs_wrong")
        self.until("the refusal", lambda: "nobody has this token" in self.text("main"))
        self.sign_in(token)
        self.until("the overview", lambda: self.row("Sources", "orders"))
        self.open("#/sql?q=SELECT+1+AS+one")
        self.press("Run")
        self.assertEqual(self.rows("Answer"), [["1"]])
        # What is copied names the token and does not have it.
        command = self.copied("Copy as curl")
        self.assertIn('-H "Authorization: Bearer $READSIDE_TOKEN"', command)
        self.assertNotIn(token, command)
