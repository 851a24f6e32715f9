"""Figures and widgets as markup: plain functions from results to HTML, text from people escaped."""
