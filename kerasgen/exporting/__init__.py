"""Bundles: written and proved (`writer`), proved again (`proof`), made smaller (`variants`), laid out for servers."""
